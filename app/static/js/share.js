// Copies to the clipboard: the page's address, which shows the same view to whoever opens it, texts that were read, and
// samples of code.

import { html } from "./dom.js";

const CONFIRM_MS = 2000;

export function offerAddress(button) {
  offerText(button, () => location.href, "Copy it from the address bar");
}

/**
 * Lets a button copy a text, and say so for a moment.
 * @param {() => string} text  called at each click
 */
export function offerText(button, text, failed = "Not copied") {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    button.textContent = (await copy(text())) ? "Copied" : failed;
    setTimeout(() => {
      button.textContent = label;
    }, CONFIRM_MS);
  });
}

/** Lets the buttons of samples of code copy these (templates/_samples.html). */
export function offerSamples(root) {
  for (const button of root.querySelectorAll("[data-copy]"))
    offerText(button, () => button.closest("figure").querySelector("code").textContent);
}

/** Whether the text was copied. Without HTTPS browsers offer no clipboard; selecting and copying still works there. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = html("textarea", { value: text, className: "unseen" });
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    return copied;
  }
}
