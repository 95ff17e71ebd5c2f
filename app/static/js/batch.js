// The page of a batch: tiles fill in as their runs end.

import { announce } from "./announce.js";
import { offerChoice } from "./choose.js";
import { byId } from "./dom.js";
import { CONNECTION_LOST, fetchJson, fetchPage } from "./fetch.js";
import { percent } from "./words.js";

const MIN_PAUSE_MS = 500;
const PAUSE_PER_PHOTO_MS = 10;
const grid = byId("batch");

function updateTile(tile, { state, text, image }) {
  tile.dataset.state = state;
  tile.querySelector(".what").textContent = text;
  const picture = tile.querySelector("img");
  if (picture.getAttribute("src") !== image) picture.src = image;
}

function update(status) {
  for (const run of status.runs) {
    const tile = grid.querySelector(`[data-run="${CSS.escape(run.id)}"]`);
    if (tile) updateTile(tile, run);
  }
  const progress = byId("progress");
  progress.value = status.ended;
  progress.hidden = status.finished;
  byId("progress-words").textContent = status.text;
  byId("acts").hidden = !status.done;
  document.title = `${status.text} · Flask Detector`;
  announce(status.text);
}

async function poll() {
  for (;;) {
    const status = await fetchJson(grid.dataset.status);
    if (status) update(status);
    else announce(CONNECTION_LOST);
    if (status?.finished) break;
    await new Promise((resolve) => setTimeout(resolve, MIN_PAUSE_MS + PAUSE_PER_PHOTO_MS * grid.children.length));
  }
  const page = await fetchPage(location.href);
  if (!page?.getElementById("view")) return;
  byId("controls").replaceChildren(...page.getElementById("controls").childNodes);
  follow(byId("view"));
}

/** What is shown follows the controls: each change asks for the page again. */
function follow(form) {
  const threshold = byId("threshold");
  threshold.addEventListener("input", () => {
    byId("threshold-out").textContent = percent(threshold.value / 100);
  });
  form.addEventListener("change", () => form.requestSubmit());
}

if (byId("view")) follow(byId("view"));
if (byId("gallery")) offerChoice(byId("gallery"));
if (grid && grid.dataset.finished === "0") await poll();
