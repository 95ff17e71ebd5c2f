// The list beside the photo: a row for each thing found; where nothing is, the weaker guesses.

import { svg } from "./svg.js";
import { count, percent } from "./words.js";

const WEAK = 8;

export class List {
  /** @param {HTMLElement} box  holds the list @param {object[]} items  best first */
  constructor(box, items) {
    this.list = box.querySelector("#list");
    this.items = items;
    this.rows = new Map(items.map((item) => [item.id, row(item)]));
    this.empty = box.querySelector(".empty") ?? document.createElement("p");
    this.empty.className = "empty";
    this.list.before(this.empty);
    this.list.replaceChildren(...this.rows.values());
  }

  update(state) {
    const shown = this.items.filter((item) => state.shows(item));
    const weaker = this.items.filter((item) => !state.enough(item));
    const weak = shown.length ? [] : weaker.slice(0, WEAK);
    for (const item of this.items) {
      const element = this.rows.get(item.id);
      element.hidden = !shown.includes(item) && !weak.includes(item);
      element.classList.toggle("weak", weak.includes(item));
    }
    const hiding = this.items.some((item) => state.enough(item));
    this.empty.hidden = shown.length > 0;
    this.empty.textContent = hiding
      ? "Everything that was found is hidden."
      : `Nothing above ${percent(state.threshold)}.` +
        (weaker.length ? ` ${count(weaker.length, "weaker guess", "weaker guesses")}:` : "");
    if (hiding) for (const item of weak) this.rows.get(item.id).hidden = true;
    this.list.setAttribute("aria-label", weak.length ? "Weaker guesses" : "Found");
  }

  light(id, scroll) {
    for (const [other, element] of this.rows) element.classList.toggle("on", other === id);
    const element = this.rows.get(id);
    if (!scroll || !element) return;
    const { list } = this;
    const top = element.offsetTop - list.offsetTop;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + element.offsetHeight > list.scrollTop + list.clientHeight)
      list.scrollTop = top + element.offsetHeight - list.clientHeight;
  }

  pin(id) {
    for (const [other, element] of this.rows) {
      element.classList.toggle("pinned", other === id);
      element.firstChild.setAttribute("aria-pressed", String(other === id));
    }
  }
}

function row(item) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "item";
  button.dataset.id = item.id;
  button.setAttribute("aria-pressed", "false");
  const bar = { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" };
  button.append(
    svg(
      "svg",
      { class: "dot", viewBox: "0 0 10 10", width: 10, height: 10, "aria-hidden": "true" },
      svg("rect", { width: 10, height: 10, rx: 3, fill: item.colour }),
    ),
    span("what", item.name),
    svg("svg", bar, svg("rect", { width: (100 * item.score).toFixed(1), height: 6, fill: item.colour })),
    span("num", percent(item.score)),
  );
  const element = document.createElement("li");
  element.append(button);
  return element;
}

function span(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
