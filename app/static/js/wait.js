// Waits for a run: asks now and then, says where it is, and puts the result in place when it is there.

import { announce } from "./announce.js";
import { localise } from "./times.js";

const SOONEST_MS = 60;
const LATEST_MS = 2000;
const GUESS_S = 4;
const ENDED = ["done", "failed", "cancelled"];
const LOST = "The connection is lost. Trying again";

/** Resolves once the run has ended and the page shows how. */
export async function wait(run) {
  const began = performance.now();
  const name = document.querySelector("h1").textContent;
  let pause = SOONEST_MS;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    let status = await ask(run.dataset.status);
    if (status && ENDED.includes(status.state)) {
      if (await fetchPage()) return;
      status = null;
    }
    tell(status ? status.text : LOST, name);
    if (status) {
      run.dataset.state = status.state;
      progress((performance.now() - began) / 1000, status.eta ?? GUESS_S);
      pause = Math.min(LATEST_MS, Math.max(SOONEST_MS, 150 * (status.eta ?? GUESS_S)));
    } else {
      pause = LATEST_MS;
    }
  }
}

async function ask(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    if (answer.status === 404) location.reload();
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function tell(text, name) {
  const words = document.getElementById("wait-words");
  if (words.textContent === text) return;
  words.textContent = text;
  document.title = `${text} · ${name} · Flask Detector`;
  announce(text);
}

function progress(gone, left) {
  const bar = document.getElementById("wait-progress");
  bar.max = 1;
  bar.value = gone / (gone + left);
}

/** Takes over everything but the photo, which stays where it is; whether the page came. */
async function fetchPage() {
  const page = await askPage();
  const now = page?.getElementById("run"); // Another's page, such as one to log in to a network, has none.
  if (!now) return false;
  for (const id of ["head", "side"]) {
    const fresh = page.getElementById(id);
    const old = document.getElementById(id);
    old.setAttribute("aria-label", fresh.getAttribute("aria-label") ?? "");
    if (!fresh.hasAttribute("aria-label")) old.removeAttribute("aria-label");
    old.replaceChildren(...fresh.childNodes);
    localise(old);
  }
  document.getElementById("photo").alt = page.getElementById("photo").alt;
  document.getElementById("run").dataset.state = now.dataset.state;
  document.title = page.title;
  return true;
}

/** The run's page as it is now; null where it does not come. */
async function askPage() {
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (answer.status === 404) location.reload();
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  } catch {
    return null;
  }
}
