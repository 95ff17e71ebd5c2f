// The page to draw on: hands, paper, guesses and the game together.

import { Bars } from "./bars.js";
import { Guesses } from "./guesses.js";
import { History } from "./history.js";
import { save, share } from "./keep.js";
import { decode, encode, linked, unlink } from "./link.js";
import { Paper } from "./paper.js";
import { keyboard } from "./pen.js";
import { follow } from "./pointer.js";
import { Rounds } from "./rounds.js";
import { extend } from "./strokes.js";

const KEPT = "drawing";
const find = (id) => document.getElementById(id);
const { guess: address, most, other } = find("studio").dataset;
const canvas = find("canvas");
let drawn = new History();
const paper = new Paper(canvas);
const bars = new Bars(find("bars"), other);
const words = [...find("bars").children].map((line) => line.dataset.name).filter((name) => name !== other);
const widths = [...document.querySelectorAll("#widths input")];
let live = null;
let answered = "";
let before = null; // What lay on the sheet when a game began.

const guesses = new Guesses(address, Number(most), (answer) => {
  answered = answer.answer ?? "";
  if (rounds.hear(answered)) bars.hush(answered);
  bars.show(answer);
});

const all = () => (live ? [...drawn.strokes, live] : drawn.strokes);

/** After every change of the drawing. */
function refresh() {
  const strokes = all();
  paper.show(drawn.strokes, live);
  find("invite").hidden = strokes.length > 0;
  find("undo").disabled = !drawn.canUndo;
  find("redo").disabled = !drawn.canRedo;
  for (const id of ["clear", "save", "share"]) find(id).disabled = !drawn.strokes.length;
  find("seen")?.remove();
  if (strokes.length) return guesses.ask(strokes);
  guesses.forget();
  answered = "";
  bars.clear();
}

/** A changed drawing outlasts a reload of the page, in this tab only; the one from before a game outlasts the game. */
function keep() {
  if (rounds.word) return;
  try {
    if (drawn.strokes.length) sessionStorage.setItem(KEPT, encode(drawn.strokes));
    else sessionStorage.removeItem(KEPT);
  } catch {
    /* Storage is off, or full: then it does not. */
  }
}

function kept() {
  try {
    return decode(sessionStorage.getItem(KEPT) ?? "");
  } catch {
    return null;
  }
}

/** The drawing was changed by hand. */
function finished() {
  unlink();
  keep();
  refresh();
}

const hand = {
  begin(x, y) {
    if (live || rounds.pausing) return false;
    live = { points: [], width: Number(widths.find((input) => input.checked).value) };
    extend(live, x, y);
    refresh();
    return true;
  },
  move(points) {
    if (live && points.map(([x, y]) => extend(live, x, y)).some(Boolean)) refresh();
  },
  end() {
    if (!live) return;
    const stroke = live;
    live = null;
    drawn.change([...drawn.strokes, stroke]);
    finished();
  },
};

const acts = {
  undo: () => drawn.undo() && finished(),
  redo: () => drawn.redo() && finished(),
  clear() {
    if (!drawn.strokes.length) return;
    drawn.change([]);
    finished();
  },
};

/** Does one of them, once the line in hand has ended; the focus goes on to the paper where its button went off. */
function act(name) {
  if (rounds.pausing) return;
  lift();
  acts[name]();
  if (document.activeElement?.disabled) canvas.focus();
}

function lift() {
  hand.end();
  pen.lift();
}

function wider(by) {
  const next = widths[widths.findIndex((input) => input.checked) + by];
  if (next) next.checked = true;
}

const sheet = {
  get strokes() {
    return drawn.strokes;
  },
  /** Puts the drawing aside, with all that can be undone. */
  aside() {
    lift();
    before = { drawn, answered };
    drawn = new History();
  },
  /** Brings it back; what is guessed of it has been said. */
  back() {
    sheet.rest();
    ({ drawn, answered } = before);
    finished();
    bars.hush(answered);
  },
  /** Takes the pen from the paper; what comes of it is of no interest any more. */
  rest() {
    lift();
    guesses.forget();
  },
  clean() {
    lift();
    drawn.begin();
    finished();
  },
  focus() {
    canvas.focus({ preventScroll: true });
    find("task").scrollIntoView({ block: "nearest" });
  },
};

const rounds = new Rounds(words, sheet);
const pen = keyboard(canvas, find("pen"), hand, wider);
follow(canvas, hand);

for (const name of Object.keys(acts)) find(name).addEventListener("click", () => act(name));
const called = () => (words.includes(answered) ? answered : "drawing");
find("save").addEventListener("click", () => save(drawn.strokes, called()));
find("share").addEventListener("click", () => share(drawn.strokes, called(), find("share")));

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
  drawn.begin(strokes);
  keep();
  refresh();
}

window.addEventListener("hashchange", () => {
  const strokes = linked();
  if (strokes) open(strokes);
});
// The guess for a picture that was sent stays until something is drawn.
const start = linked() ?? (find("seen") ? null : kept());
if (start) open(start);
