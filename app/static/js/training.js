// The page of a training: what it says is fetched again until the training has ended.
import { byId } from "./dom.js";
import { fetchPage } from "./fetch.js";

const INTERVAL = 2000; // ms

async function follow() {
  if (byId("training").dataset.finished === "1") return;
  const page = document.hidden ? null : await fetchPage(location.href);
  const next = page?.getElementById("training");
  // A button that is about to be pressed stays.
  if (next && !byId("training").contains(document.activeElement)) byId("training").replaceWith(next);
  setTimeout(follow, INTERVAL);
}

setTimeout(follow, INTERVAL);
