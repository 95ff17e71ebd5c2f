// Drawing with mouse, finger or stylus: one of them at a time, with every point that the device measures.

import { SIDE } from "./strokes.js";

/** @param pen what draws: down(x, y), move(points), up(); down answers whether it may. */
export function followPointer(canvas, pen) {
  let pointer = null;

  function position(event) {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || pointer !== null) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true, focusVisible: false });
    if (!pen.down(...position(event))) return;
    pointer = event.pointerId;
    canvas.setPointerCapture(pointer);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pointer) return;
    const all = event.getCoalescedEvents?.() ?? [];
    pen.move((all.length ? all : [event]).map(position));
  });
  function end(event) {
    if (event.pointerId !== pointer) return;
    pointer = null;
    pen.up();
  }
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) canvas.addEventListener(name, end);
  // A long press would open a menu in the middle of a line.
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
}
