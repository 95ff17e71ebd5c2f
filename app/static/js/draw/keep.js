// A drawing to keep or to pass on.

import { announce } from "../announce.js";
import { copy } from "../share.js";
import { linkTo } from "./link.js";
import { picture } from "./paper.js";

const SAID_MS = 2000;
const FORGET_MS = 10_000;

export async function save(strokes, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await picture(strokes));
  link.download = `${name}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), FORGET_MS);
}

/** By the device's own way of sharing where there is one, else as a link on the clipboard. */
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
  const words = button.querySelector("span");
  const copied = await copy(data.text);
  if (!copied) history.replaceState(history.state, "", data.text); // A new hash would open the drawing anew.
  const before = "Share";
  words.textContent = copied ? "Link copied" : "Copy the address";
  announce(words.textContent);
  setTimeout(() => {
    words.textContent = before;
  }, SAID_MS);
}
