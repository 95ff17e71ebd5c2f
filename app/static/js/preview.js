// Shows photos that are still on the visitor's disk.

const MOST = 5;

/** Fills `box` with previews of files; what a browser cannot show gets its file type instead. */
export function preview(box, files) {
  clear(box);
  box.classList.toggle("many", files.length > 1);
  for (const file of files.slice(0, MOST)) box.append(file.type.startsWith("image/") ? picture(file) : kind(file));
  if (files.length > MOST) box.append(note(`+${files.length - MOST}`));
}

export function clear(box) {
  for (const image of box.querySelectorAll("img")) URL.revokeObjectURL(image.src);
  box.replaceChildren();
}

function picture(file) {
  const image = new Image();
  image.alt = "";
  image.src = URL.createObjectURL(file);
  image.addEventListener("error", () => image.replaceWith(kind(file)), { once: true });
  return image;
}

function kind(file) {
  return note((file.name.match(/\.([a-z0-9]{1,5})$/i)?.[1] || "file").toUpperCase());
}

function note(text) {
  const span = document.createElement("span");
  span.textContent = text;
  return span;
}
