// Drawing by keyboard: arrow keys move a visible pen, Space puts it down and lifts it.

import { byId } from "../dom.js";
import { NBSP, percent } from "../words.js";
import { SIDE } from "./strokes.js";

const STEP = 16;
const LARGE_STEP = 64;
const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const words = byId("pen-says");

/** Speaks at once and apart from the guesses, which would replace it. Repeated words are spoken again. */
function tell(text) {
  words.textContent = words.textContent === text ? text + NBSP : text;
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {SVGElement} mark  shows where the pen is
 * @param pen  as in pointer.js
 * @param {(by: -1 | 1) => void} changeWidth
 */
export function keyboardPen(canvas, mark, pen, changeWidth) {
  const pressed = new Set();
  let [x, y] = [SIDE / 2, SIDE / 2];
  let down = false;

  function show() {
    mark.removeAttribute("hidden");
    mark.classList.toggle("down", down);
    mark.style.left = `${(100 * x) / SIDE}%`;
    mark.style.top = `${(100 * y) / SIDE}%`;
  }

  function put(wanted) {
    if (wanted === down) return;
    if (wanted && !pen.down(x, y)) return;
    down = wanted;
    if (!down) pen.up();
    show();
    tell(down ? "Pen down" : "Pen up");
  }

  /** Two arrow keys pressed together move it diagonally. */
  function move(step) {
    for (const key of pressed) {
      x = Math.min(SIDE, Math.max(0, x + step * DIRECTIONS[key][0]));
      y = Math.min(SIDE, Math.max(0, y + step * DIRECTIONS[key][1]));
    }
    if (down) pen.move([[x, y]]);
    show();
  }

  function sayPosition() {
    tell(`Pen ${down ? "down" : "up"}, ${percent(x / SIDE)} from the left, ${percent(y / SIDE)} from the top`);
    show();
  }

  const keys = {
    " ": (event) => event.repeat || put(!down),
    Escape: () => put(false),
    "[": () => changeWidth(-1),
    "]": () => changeWidth(1),
    w: sayPosition,
    W: sayPosition,
  };

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (DIRECTIONS[event.key]) {
      pressed.add(event.key);
      move(event.shiftKey ? LARGE_STEP : STEP);
    } else if (keys[event.key]) keys[event.key](event);
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("keyup", (event) => pressed.delete(event.key));
  canvas.addEventListener("blur", () => {
    pressed.clear();
    put(false);
    mark.setAttribute("hidden", "");
  });
  canvas.addEventListener("pointerdown", () => {
    put(false);
    mark.setAttribute("hidden", "");
  });
  return {
    /** Lifts the pen where the stroke has ended already. */
    lift() {
      down = false;
      mark.classList.remove("down");
    },
  };
}
