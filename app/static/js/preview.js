// Shows photos before they are sent.

import { html } from "./dom.js";

const MAX_PREVIEWS = 5;

/** Fills `box` with previews of files; a file that the browser cannot show gets its file type instead. */
export function preview(box, files) {
  clear(box);
  box.classList.toggle("many", files.length > 1);
  for (const file of files.slice(0, MAX_PREVIEWS)) {
    box.append(file.type.startsWith("image/") ? picture(file) : fileType(file));
  }
  if (files.length > MAX_PREVIEWS) box.append(note(`+${files.length - MAX_PREVIEWS}`));
}

export function clear(box) {
  for (const image of box.querySelectorAll("img")) URL.revokeObjectURL(image.src);
  box.replaceChildren();
}

function picture(file) {
  const image = html("img", { alt: "", src: URL.createObjectURL(file) });
  image.addEventListener("error", () => image.replaceWith(fileType(file)), { once: true });
  return image;
}

function fileType(file) {
  return note((file.name.match(/\.([a-z0-9]{1,5})$/i)?.[1] || "file").toUpperCase());
}

function note(text) {
  return html("span", { textContent: text });
}
