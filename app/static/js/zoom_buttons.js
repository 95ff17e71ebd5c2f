// Buttons that enlarge, shrink and fit the photo.

import { html } from "./dom.js";

/** @param {import("./zoom.js").Zoom} zoom */
export function zoomButtons(zoom) {
  const out = button("−", "Zoom out", "-", () => zoom.out());
  const closer = button("+", "Zoom in", "+", () => zoom.in());
  const fit = button("Fit", "Fit the whole photo", "0", () => zoom.fit());
  const element = html("div", { className: "zoom" }, out, closer, fit);
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", "Zoom");
  /** A button that can do nothing now keeps the focus, and says so. */
  const update = (viewport) => {
    closer.setAttribute("aria-disabled", String(viewport.zoom >= viewport.maxZoom));
    for (const other of [out, fit]) other.setAttribute("aria-disabled", String(viewport.zoom === 1));
  };
  return { element, update };
}

function button(textContent, name, key, onClick) {
  const element = html("button", { type: "button", title: `${name} (${key})`, textContent });
  element.setAttribute("aria-label", name);
  element.setAttribute("aria-keyshortcuts", key);
  element.addEventListener("click", onClick);
  return element;
}
