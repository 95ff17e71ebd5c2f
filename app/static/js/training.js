// The page of a training: what it says is fetched again until the training has ended.
import { announce } from "./announce.js";
import { byId } from "./dom.js";
import { fetchPage } from "./fetch.js";

const INTERVAL = 2000; // ms

async function follow() {
  if (byId("training").dataset.finished === "1") return;
  const page = document.hidden ? null : await fetchPage(location.href);
  const next = page?.getElementById("training");
  // A button that is being pressed stays.
  if (next && !byId("training").matches(":active")) show(next);
  const watched = page?.getElementById("watched");
  if (watched && watched.dataset.version !== byId("watched").dataset.version) byId("watched").replaceWith(watched);
  setTimeout(follow, INTERVAL);
}

function show(next) {
  const focused = byId("training").contains(document.activeElement);
  byId("training").replaceWith(next);
  if (focused) next.querySelector("button, a")?.focus();
  if (next.dataset.finished === "1") announce(next.querySelector("b").textContent);
}

setTimeout(follow, INTERVAL);
