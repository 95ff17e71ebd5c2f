// Waits for a run: asks for its state, says where it is in the queue, and puts the result in place when it is there.

import { announce } from "./announce.js";
import { byId } from "./dom.js";
import { CONNECTION_LOST, fetchJson, fetchPage } from "./fetch.js";
import { localise } from "./times.js";

const MIN_PAUSE_MS = 60;
const MAX_PAUSE_MS = 2000;
const PAUSE_PER_SECOND_LEFT_MS = 150;
const PAUSE_WITHOUT_ETA_MS = 600;
const ENDED = ["done", "failed", "cancelled"];

/**
 * Resolves once the run has ended and the page shows how.
 * @param {HTMLElement} run
 * @param {() => void} onDone  called once there is a result, before the page shows it
 */
export async function wait(run, onDone) {
  const started = performance.now();
  const name = document.querySelector("h1").textContent;
  let pause = MIN_PAUSE_MS;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    const status = await fetchJson(run.dataset.status);
    const ended = ENDED.includes(status?.state);
    if (status?.state === "done") onDone();
    if (ended && (await replacePage())) return;
    if (status && !ended) {
      run.dataset.state = status.state;
      tell(status.text, name);
      showProgress((performance.now() - started) / 1000, status.eta);
      pause = pauseFor(status.eta);
    } else {
      tell(CONNECTION_LOST, name);
      pause = MAX_PAUSE_MS;
    }
  }
}

function tell(text, name) {
  const words = byId("wait-words");
  if (words.textContent === text) return;
  words.textContent = text;
  document.title = `${text} · ${name} · Flask Detector`;
  announce(text);
}

/** The milliseconds until the next question. left: the expected seconds, null where nobody knows. */
function pauseFor(left) {
  if (left === null) return PAUSE_WITHOUT_ETA_MS;
  return Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, PAUSE_PER_SECOND_LEFT_MS * left));
}

/** Without an estimate the bar shows no share. */
function showProgress(elapsed, left) {
  const progress = byId("wait-progress");
  if (left === null) progress.removeAttribute("value");
  else progress.value = elapsed / (elapsed + left);
}

/** Takes over everything but the photo, which stays where it is; false where the page did not come. */
async function replacePage() {
  const page = await fetchPage(location.href);
  const fresh = page?.getElementById("run"); // Another's page, such as one to log in to a network, has none.
  if (!fresh) return false;
  replace("head", page);
  replace("side", page);
  byId("side").setAttribute("aria-label", page.getElementById("side").getAttribute("aria-label"));
  byId("photo").alt = page.getElementById("photo").alt;
  byId("run").dataset.state = fresh.dataset.state;
  document.title = page.title;
  return true;
}

function replace(id, page) {
  const element = byId(id);
  element.replaceChildren(...page.getElementById(id).childNodes);
  localise(element);
}
