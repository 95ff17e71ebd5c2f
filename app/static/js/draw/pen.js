// Drawing by keyboard: arrow keys move a pen that can be seen, Space puts it down and lifts it.

import { NBSP } from "../words.js";
import { SIDE } from "./strokes.js";

const STEP = 16;
const FAR = 64;
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const words = document.getElementById("pen-says");

/** At once, and beside the guesses, which would push it out. The same words again are spoken again. */
function tell(text) {
  words.textContent = words.textContent === text ? text + NBSP : text;
}

/** @param hand as in pointer.js; @param wider takes -1 or 1. */
export function keyboard(canvas, mark, hand, wider) {
  const held = new Set();
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
    if (wanted && !hand.begin(x, y)) return;
    down = wanted;
    if (!down) hand.end();
    show();
    tell(down ? "Pen down" : "Pen up");
  }

  /** Two arrow keys held together go slantwise. */
  function move(far) {
    const step = far ? FAR : STEP;
    for (const key of held) {
      x = Math.min(SIDE, Math.max(0, x + step * WAYS[key][0]));
      y = Math.min(SIDE, Math.max(0, y + step * WAYS[key][1]));
    }
    if (down) hand.move([[x, y]]);
    show();
  }

  function say() {
    const share = (value) => `${Math.round((100 * value) / SIDE)}${NBSP}%`;
    tell(`Pen ${down ? "down" : "up"}, ${share(x)} from the left, ${share(y)} from the top`);
    show();
  }

  const keys = {
    " ": (event) => event.repeat || put(!down),
    Escape: () => put(false),
    "[": () => wider(-1),
    "]": () => wider(1),
    w: say,
    W: say,
  };

  canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (WAYS[event.key]) {
      held.add(event.key);
      move(event.shiftKey);
    } else if (keys[event.key]) keys[event.key](event);
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("keyup", (event) => held.delete(event.key));
  canvas.addEventListener("blur", () => {
    held.clear();
    put(false);
    mark.setAttribute("hidden", "");
  });
  canvas.addEventListener("pointerdown", () => {
    put(false);
    mark.setAttribute("hidden", "");
  });
  return {
    /** Takes the pen off a sheet that is taken away; the stroke has ended already. */
    lift() {
      down = false;
      mark.classList.remove("down");
    },
  };
}
