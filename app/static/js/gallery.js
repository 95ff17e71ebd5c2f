// The gallery: tiles stand by the visitor's own days, can be chosen, and fill in as their photos are done.

import { offerChoice } from "./choose.js";
import { byId } from "./dom.js";
import { fetchPage } from "./fetch.js";
import { day, localise } from "./times.js";

const PAUSE_MS = 2000;
const gallery = byId("gallery");

/** The server knows days in UTC only. */
function byLocalDays() {
  const tiles = [...gallery.querySelectorAll(".tile")];
  const [shell, ...others] = gallery.querySelectorAll(".day");
  for (const section of others) section.remove();
  shell.querySelector("ul").replaceChildren();
  let section = null;
  for (const tile of tiles) {
    const date = new Date(tile.querySelector("time").dateTime);
    const words = day(date);
    if (section?.querySelector("time").textContent !== words) {
      const next = shell.cloneNode(true);
      next.querySelector("time").textContent = words;
      if (section) section.after(next);
      else shell.replaceWith(next);
      section = next;
    }
    section.querySelector("ul").append(tile);
  }
}

/** Takes over the tiles that have changed since. */
function fillIn(page) {
  for (const tile of gallery.querySelectorAll("[data-waiting]")) {
    const { run, batch } = tile.dataset;
    const fresh = page.querySelector(run ? `[data-run="${CSS.escape(run)}"]` : `[data-batch="${CSS.escape(batch)}"]`);
    if (!fresh || fresh.outerHTML === tile.outerHTML) continue;
    fresh.querySelector(".choose input").checked = tile.querySelector(".choose input").checked;
    tile.replaceWith(fresh);
  }
  localise(gallery);
}

async function poll() {
  while (gallery.querySelector("[data-waiting]")) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const page = document.hidden ? null : await fetchPage(location.href);
    if (page) fillIn(page);
  }
}

if (gallery) {
  byLocalDays();
  offerChoice(gallery);
  await poll();
}
