// The page to draw on: brings pen, paper, guesses and the game together.

import { byId } from "../dom.js";
import { History } from "../history.js";
import { Game } from "./game.js";
import { Guesser } from "./guesser.js";
import { save, share } from "./keep.js";
import { keyboardPen } from "./keyboard.js";
import { decode, encode, linked, unlink } from "./link.js";
import { Paper } from "./paper.js";
import { followPointer } from "./pointer.js";
import { extend } from "./strokes.js";
import { Verdict } from "./verdict.js";

const STORED = "drawing";
const { guess: address, maxPoints, other } = byId("studio").dataset;
const canvas = byId("canvas");
const paper = new Paper(canvas);
const verdict = new Verdict();
const animals = [...byId("bars").children].map((line) => line.dataset.name).filter((name) => name !== other);
const widths = [...document.querySelectorAll("#widths input")];
let drawing = new History([]);
let current = null; // The stroke that is being drawn.
let answer = "";
let setAside = null; // The drawing from before the game, with its answer.

const guesser = new Guesser(address, Number(maxPoints), (guess) => {
  answer = guess.answer ?? "";
  if (game.hear(answer)) verdict.skip(answer);
  verdict.show(guess);
});

/** Shows the drawing after every change of it, and asks what it is. */
function refresh() {
  const strokes = current ? [...drawing.current, current] : drawing.current;
  paper.show(drawing.current, current);
  byId("invite").hidden = strokes.length > 0;
  byId("undo").disabled = !drawing.canUndo;
  byId("redo").disabled = !drawing.canRedo;
  for (const id of ["clear", "save", "share"]) byId(id).disabled = !drawing.current.length;
  byId("seen")?.remove();
  if (strokes.length) {
    guesser.ask(strokes);
    return;
  }
  guesser.cancel();
  answer = "";
  verdict.clear();
}

/** Keeps the drawing for a reload of this tab; during a game, the one from before it. */
function store() {
  if (game.word) return;
  try {
    if (drawing.current.length) sessionStorage.setItem(STORED, encode(drawing.current));
    else sessionStorage.removeItem(STORED);
  } catch {
    // Storage is off or full: then the drawing does not outlast a reload.
  }
}

function stored() {
  try {
    return decode(sessionStorage.getItem(STORED) ?? "");
  } catch {
    return null;
  }
}

/** After the visitor has changed the drawing. */
function changed() {
  unlink();
  store();
  refresh();
}

const pen = {
  /** Begins a stroke; false where none may be drawn now. */
  down(x, y) {
    if (current || game.pausing) return false;
    current = { points: [], width: Number(widths.find((input) => input.checked).value) };
    extend(current, x, y);
    refresh();
    return true;
  },
  move(points) {
    if (current && points.map(([x, y]) => extend(current, x, y)).some(Boolean)) refresh();
  },
  up() {
    if (!current) return;
    const stroke = current;
    current = null;
    drawing.change([...drawing.current, stroke]);
    changed();
  },
};

const actions = {
  undo: () => drawing.undo() && changed(),
  redo: () => drawing.redo() && changed(),
  clear() {
    if (!drawing.current.length) return;
    drawing.change([]);
    changed();
  },
};

/** Ends the current stroke, then acts. Where that disables the focused button, the focus moves to the paper. */
function act(name) {
  if (game.pausing) return;
  lift();
  const focused = document.activeElement; // A browser may take the focus from it as soon as it is disabled.
  actions[name]();
  if (focused?.disabled) canvas.focus();
}

function lift() {
  pen.up();
  keyboard.lift();
}

function changeWidth(by) {
  const next = widths[widths.findIndex((input) => input.checked) + by];
  if (next) next.checked = true;
}

const sheet = {
  get strokes() {
    return drawing.current;
  },
  /** Puts the drawing aside, with all that can be undone, for an empty sheet. */
  setAside() {
    lift();
    setAside = { drawing, answer };
    drawing = new History([]);
  },
  /** Brings the drawing back. Its answer has been announced before. */
  bringBack() {
    sheet.stop();
    ({ drawing, answer } = setAside);
    changed();
    verdict.skip(answer);
  },
  /** Ends the current stroke and drops the guess for it. */
  stop() {
    lift();
    guesser.cancel();
  },
  clear() {
    lift();
    drawing.reset([]);
    changed();
  },
  focus() {
    canvas.focus({ preventScroll: true });
    byId("task").scrollIntoView({ block: "nearest" });
  },
};

const game = new Game(animals, sheet);
const keyboard = keyboardPen(canvas, byId("pen"), pen, changeWidth);
followPointer(canvas, pen);

const fileName = () => (animals.includes(answer) ? answer : "drawing");
for (const name of Object.keys(actions)) byId(name).addEventListener("click", () => act(name));
byId("save").addEventListener("click", () => save(drawing.current, fileName()));
byId("share").addEventListener("click", () => share(drawing.current, fileName(), byId("share")));

document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  const command = (event.ctrlKey || event.metaKey) && !event.altKey;
  let name = "";
  if (command && key === "z") name = event.shiftKey ? "redo" : "undo";
  else if (command && key === "y") name = "redo";
  else if (key === "delete" && event.target === canvas) name = "clear";
  if (!name) return;
  event.preventDefault();
  act(name);
});

function open(strokes) {
  drawing.reset(strokes);
  store();
  refresh();
}

window.addEventListener("hashchange", () => {
  const strokes = linked();
  if (strokes) open(strokes);
});
// The guess for a picture that was sent stays until something is drawn.
const initial = linked() ?? (byId("seen") ? null : stored());
if (initial) open(initial);
