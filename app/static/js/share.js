// Copies the page's address, which shows the same view to whoever opens it.

import { html } from "./dom.js";

const CONFIRM_MS = 2000;

export function offerAddress(button) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    button.textContent = (await copy(location.href)) ? "Copied" : "Copy it from the address bar";
    setTimeout(() => {
      button.textContent = label;
    }, CONFIRM_MS);
  });
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
