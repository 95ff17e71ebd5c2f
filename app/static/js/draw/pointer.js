// Drawing with mouse, finger or pen: one of them at a time, with every point that the device has measured.

import { SIDE } from "./strokes.js";

/** @param hand what draws: begin(x, y), move(points), end(); begin answers whether it may. */
export function follow(canvas, hand) {
  let pointer = null;

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || pointer !== null) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true, focusVisible: false });
    if (!hand.begin(...place(event))) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    hand.move((all.length ? all : [event]).map(place));
  });
  function end(event) {
    if (event.pointerId !== pointer) return;
    pointer = null;
    hand.end();
  }
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(name, end);
  // A long press would open a menu in the middle of a line.
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
}
