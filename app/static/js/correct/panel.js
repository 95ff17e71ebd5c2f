// The panel beside the photo: tools, the class of what is selected, the list of objects, and how to end.

import { dot, html } from "../dom.js";
import { percent } from "../words.js";

const TOOLS = [
  ["move", "Move", "v"],
  ["box", "New box", "b"],
  ["brush", "Brush", "m"],
  ["erase", "Eraser", "e"],
  ["points", "Points", "o"],
];
const HINTS = {
  move: "Choose an object, then drag it, or its handles.",
  box: "Drag a box around what was missed. Enter puts one into the middle.",
  brush: "Brush over what belongs to the chosen object.",
  erase: "Brush over what does not belong to the chosen object.",
  points: "Drag a point, or the line between two. Delete takes the chosen point away.",
};

export class Panel {
  #editor;
  #tools;
  #buttons = new Map();
  #undo;
  #redo;
  #hint = html("p", { className: "note" });
  #size;
  #sizeRow;
  #name;
  #recent = html("div", { className: "recent" });
  #chosen;
  #list = html("ul", { className: "list things" });
  #guesses = html("ul", { className: "list things" });
  #guessFold;
  #state = html("p", { className: "note kept" });

  /**
   * @param {HTMLElement} box  whose form is replaced
   * @param {import("./editor.js").Editor} editor
   * @param {import("./tools.js").Tools} tools
   * @param {(next: boolean) => void} onEnd  called when nothing is missing; next: to the next photo
   */
  constructor(box, editor, tools, onEnd) {
    this.#editor = editor;
    this.#tools = tools;
    this.#state.setAttribute("role", "status");
    this.#list.setAttribute("aria-label", "Objects");
    this.#guesses.setAttribute("aria-label", "Not kept");
    const summary = html("summary");
    this.#guessFold = html("details", {}, summary, this.#guesses);
    const fold = box.querySelector("#keys").content.cloneNode(true);
    box.replaceChildren(
      html(
        "div",
        { className: "panel editing" },
        this.#toolbar(),
        this.#hint,
        this.#brushSize(),
        this.#choice(),
        this.#list,
        this.#guessFold,
        this.#ends(onEnd),
        this.#state,
        fold,
      ),
    );
    for (const type of ["change", "select"]) editor.addEventListener(type, () => this.update());
    this.update();
  }

  /** Puts the focus where the class is written. */
  focusName() {
    if (this.#chosen.hidden) return;
    this.#name.focus();
    this.#name.select();
  }

  say(text) {
    this.#state.textContent = text;
  }

  update() {
    const { selected, things, guesses, recent, canUndo, canRedo } = this.#editor;
    const { tool, size } = this.#tools;
    for (const [name, button] of this.#buttons) button.setAttribute("aria-pressed", String(name === tool));
    this.#hint.textContent = things.length || tool === "box" ? HINTS[tool] : "Nothing is here yet. Draw a new box.";
    this.#sizeRow.hidden = tool !== "brush" && tool !== "erase";
    this.#size.value = String(size);
    this.#undo.disabled = !canUndo;
    this.#redo.disabled = !canRedo;
    this.#chosen.hidden = !selected;
    if (selected && document.activeElement !== this.#name) this.#name.value = selected.name;
    fill(
      this.#recent,
      recent.map((name, i) => this.#recentButton(name, i + 1)),
    );
    fill(
      this.#list,
      things.map((thing) => this.#row(thing, thing === selected, () => this.#editor.select(thing.id))),
    );
    fill(
      this.#guesses,
      guesses.map((guess) => this.#row(guess, false, () => this.#editor.keep(guess))),
    );
    this.#guessFold.hidden = !guesses.length;
    this.#guessFold.firstChild.textContent = `Not kept (${guesses.length})`;
    const current = this.#list.querySelector("[aria-current]");
    if (current) scrollTo(this.#list, current);
  }

  #toolbar() {
    const tools = TOOLS.map(([name, text, key]) => {
      const element = button(text, key, () => {
        this.#tools.tool = name;
      });
      this.#buttons.set(name, element);
      return element;
    });
    this.#undo = button("Undo", "Control+z", () => this.#editor.undo());
    this.#redo = button("Redo", "Control+y", () => this.#editor.redo());
    const bar = html("div", { className: "tools" }, ...tools, this.#undo, this.#redo);
    bar.setAttribute("role", "toolbar");
    bar.setAttribute("aria-label", "Tools");
    return bar;
  }

  #brushSize() {
    const max = Math.max(4, Math.round(Math.max(...this.#editor.size) / 12));
    this.#size = html("input", { type: "range", min: "1", max: String(max), id: "brush-size" });
    this.#size.addEventListener("input", () => {
      this.#tools.size = Number(this.#size.value);
    });
    this.#sizeRow = html("div", { className: "size" }, html("label", { htmlFor: "brush-size", textContent: "Size" }));
    this.#sizeRow.append(this.#size);
    return this.#sizeRow;
  }

  /** What is selected: its class, and what can be done with it. */
  #choice() {
    this.#name = html("input", { type: "text", id: "class", className: "name", maxLength: 80, autocomplete: "off" });
    this.#name.setAttribute("list", "classes");
    this.#name.setAttribute("aria-keyshortcuts", "c");
    const apply = () => {
      const name = this.#name.value.trim();
      if (name && name !== this.#editor.selected?.name) this.#editor.rename(name);
    };
    this.#name.addEventListener("change", apply);
    this.#name.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#name.value = this.#editor.selected?.name ?? "";
      if (event.key === "Enter" || event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        this.#name.blur();
      }
    });
    const accept = button("Accept", "a", () => this.#editor.accept(), "btn");
    const remove = button("Delete", "d", () => this.#editor.remove(), "btn bad");
    this.#chosen = html(
      "div",
      { className: "chosen" },
      html("label", { htmlFor: "class", textContent: "Class" }),
      this.#name,
      this.#recent,
      html("div", { className: "two" }, accept, remove),
    );
    return this.#chosen;
  }

  #recentButton(name, number) {
    const element = button(name, String(number), () => this.#editor.rename(name), "chip");
    element.dataset.id = number;
    element.prepend(html("kbd", { textContent: String(number) }), dot(this.#editor.colourOf(name)));
    return element;
  }

  #row(thing, current, onClick) {
    const said = thing.accepted ? "accepted" : percent(thing.score);
    const element = html(
      "button",
      { type: "button", className: "item" },
      dot(this.#editor.colourOf(thing.name)),
      html("span", { className: "what", textContent: thing.name }),
      html("span", { className: "num", textContent: said }),
    );
    element.dataset.id = thing.id;
    if (current) element.setAttribute("aria-current", "true");
    element.addEventListener("click", onClick);
    return html("li", { className: current ? "on" : "" }, element);
  }

  #ends(onEnd) {
    const next = button("Nothing is missing, next photo", "Enter", () => onEnd(true), "btn primary");
    const done = button("Nothing is missing", "", () => onEnd(false), "btn");
    return html("div", { className: "ends" }, next, done);
  }
}

function button(textContent, key, onClick, className = "tool") {
  const element = html("button", { type: "button", className, textContent });
  if (key) {
    element.title = `${textContent} (${key.replace("Control", "Ctrl").toUpperCase()})`;
    element.setAttribute("aria-keyshortcuts", key);
  }
  element.addEventListener("click", onClick);
  return element;
}

/** Scrolls a list, and never the page, to one of its rows. */
function scrollTo(list, row) {
  const [outer, inner] = [list, row].map((element) => element.getBoundingClientRect());
  if (inner.top < outer.top) list.scrollTop -= outer.top - inner.top;
  if (inner.bottom > outer.bottom) list.scrollTop += inner.bottom - outer.bottom;
}

/** Replaces the rows of a list; the focus stays with the row that had it. */
function fill(list, rows) {
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  list.replaceChildren(...rows);
  if (focused !== null) list.querySelector(`[data-id="${focused}"]`)?.focus({ preventScroll: true });
}
