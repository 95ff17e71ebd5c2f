// A batch fills in as results come.

import { announce } from "./announce.js";

const LEAST_MS = 500;
const PER_PHOTO_MS = 10;
const grid = document.getElementById("batch");

function fill(tile, { state, text, image }) {
  tile.dataset.state = state;
  tile.querySelector(".text").textContent = text;
  const picture = tile.querySelector("img");
  if (picture.getAttribute("src") !== image) picture.src = image;
}

function show(status) {
  for (const run of status.runs) {
    const tile = grid.querySelector(`[data-run="${CSS.escape(run.id)}"]`);
    if (tile) fill(tile, run);
  }
  const bar = document.getElementById("progress");
  bar.value = status.ended;
  bar.hidden = status.finished;
  document.getElementById("progress-words").textContent = status.text;
  document.getElementById("acts").hidden = !status.done;
  document.title = `${status.text} · Flask Detector`;
  announce(status.text);
}

async function follow() {
  for (;;) {
    let status = null;
    try {
      const answer = await fetch(grid.dataset.status, { headers: { Accept: "application/json" } });
      if (answer.status === 404) return location.reload();
      if (answer.ok) status = await answer.json();
    } catch {
      announce("The connection is lost. Trying again");
    }
    if (status) show(status);
    if (status?.finished) return undefined;
    await new Promise((resolve) => setTimeout(resolve, LEAST_MS + PER_PHOTO_MS * grid.children.length));
  }
}

if (grid && grid.dataset.finished === "0") await follow();
