// Tells screen readers what changed, once the changes have paused.

import { byId } from "./dom.js";

const PAUSE_MS = 500;
const live = byId("live");
let timer = 0;

/** region: the live region that speaks; an open dialog silences those outside of it. */
export function announce(text, region = live) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    region.textContent = text;
  }, PAUSE_MS);
}
