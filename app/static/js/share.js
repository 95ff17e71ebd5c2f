// Shares the page's address, which shows the same view to whoever opens it, and copies texts that were read and samples
// of code.

import { html } from "./dom.js";

const CONFIRM_MS = 2000;
const PHONE = "(hover: none) and (pointer: coarse)";

/** Lets a button share the page's address: on phones by their own dialog, elsewhere by copying it. */
export function offerAddress(button) {
  if (navigator.share && matchMedia(PHONE).matches) button.addEventListener("click", shareAddress);
  else offerText(button, () => location.href, "Copy it from the address bar", "Address copied");
}

async function shareAddress() {
  try {
    await navigator.share({ title: document.querySelector("h1").textContent, url: location.href });
  } catch (error) {
    if (error.name !== "AbortError") throw error; // Called off in the dialog.
  }
}

/**
 * Lets a button copy a text, and say so for a moment.
 * @param {() => string} text  called at each click
 */
export function offerText(button, text, failed = "Not copied", done = "Copied") {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    button.textContent = (await copy(text())) ? done : failed;
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
