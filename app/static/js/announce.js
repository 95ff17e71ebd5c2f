// Tells screen readers what changed, once the changes have paused.

import { byId } from "./dom.js";

const PAUSE_MS = 500;
const live = byId("live");
let timer = 0;

export function announce(text) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    live.textContent = text;
  }, PAUSE_MS);
}
