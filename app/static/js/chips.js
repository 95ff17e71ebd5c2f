// A chip for each class, with how often it was found at this threshold; unticked ones are hidden in the photo.

import { svg } from "./svg.js";

export class Chips {
  /** @param {HTMLElement} box @param {object[]} items  best first @param {import("./state.js").State} state */
  constructor(box, items, state) {
    this.box = box;
    this.objects = items.filter(({ kind }) => kind === "object");
    const classes = new Map(this.objects.map((item) => [item.name, item.colour]));
    this.chips = new Map([...classes].map(([name, colour]) => [name, chip(name, colour, !state.hides(name))]));
    this.all = document.createElement("button");
    this.all.type = "button";
    this.all.className = "plain";
    this.all.textContent = "Show all";
    box.replaceChildren(...this.chips.values(), this.all);
    box.addEventListener("change", ({ target }) => state.toggle(target.value, target.checked));
    this.all.addEventListener("click", () => this.tickAll());
  }

  tickAll() {
    for (const box of this.box.querySelectorAll("input:not(:checked)")) box.click();
    this.box.querySelector("input")?.focus();
  }

  update(state) {
    let hiding = false;
    for (const [name, element] of this.chips) {
      const n = this.objects.filter((item) => item.name === name && state.enough(item)).length;
      element.hidden = n === 0;
      element.querySelector("b").textContent = n;
      hiding ||= n > 0 && state.hides(name);
    }
    this.all.hidden = !hiding;
  }
}

function chip(name, colour, ticked) {
  const element = document.createElement("label");
  element.className = "chip";
  const box = document.createElement("input");
  Object.assign(box, { type: "checkbox", name: "ticked", value: name, checked: ticked });
  const words = document.createElement("span");
  words.textContent = name;
  const dot = svg(
    "svg",
    { class: "dot", viewBox: "0 0 10 10", width: 10, height: 10, "aria-hidden": "true" },
    svg("rect", { width: 10, height: 10, rx: 3, fill: colour }),
  );
  element.append(box, dot, words, " ", document.createElement("b"));
  return element;
}
