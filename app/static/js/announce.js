// Tells screen readers what changed, once things have come to rest.

const REST_MS = 500;
const live = document.getElementById("live");
let timer = 0;

export function announce(text) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    live.textContent = text;
  }, REST_MS);
}
