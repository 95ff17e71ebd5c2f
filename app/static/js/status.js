// Keeps the line about the service in the header up to date while somebody looks at the page.

import { fetchJson } from "./fetch.js";

const PAUSE_MS = 15_000;

export function keepStatus(line) {
  async function refresh() {
    const status = document.hidden ? null : await fetchJson(line.dataset.address);
    if (!status) return;
    line.dataset.state = status.state;
    line.querySelector("span").textContent = status.line;
  }
  setInterval(refresh, PAUSE_MS);
  document.addEventListener("visibilitychange", refresh);
}
