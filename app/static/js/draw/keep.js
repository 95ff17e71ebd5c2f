// Saving a drawing as a picture, and sharing it.

import { announce } from "../announce.js";
import { html } from "../dom.js";
import { copy } from "../share.js";
import { linkTo } from "./link.js";
import { picture } from "./paper.js";

const LABEL = "Share";
const CONFIRM_MS = 2000;
const REVOKE_MS = 10_000;

export async function save(strokes, name) {
  const link = html("a", { href: URL.createObjectURL(await picture(strokes)), download: `${name}.png` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), REVOKE_MS);
}

/** Through the device's own sharing where there is one, else as a link on the clipboard. */
export async function share(strokes, name, button) {
  const file = new File([await picture(strokes)], `${name}.png`, { type: "image/png" });
  const data = { files: [file], title: "A drawing", text: linkTo(strokes) };
  if (navigator.canShare?.(data)) {
    try {
      await navigator.share(data);
      return;
    } catch (error) {
      if (error.name === "AbortError") return;
    }
  }
  const label = button.querySelector("span");
  const copied = await copy(data.text);
  if (!copied) history.replaceState(history.state, "", data.text); // Setting the hash would open the drawing again.
  label.textContent = copied ? "Link copied" : "Copy the address";
  announce(label.textContent);
  setTimeout(() => {
    label.textContent = LABEL;
  }, CONFIRM_MS);
}
