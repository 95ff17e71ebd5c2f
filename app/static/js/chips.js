// A chip for each class, with its number of instances above the threshold; unticked classes are hidden in the photo.

import { dot, html } from "./dom.js";

export class Chips {
  #box;
  #objects;
  #chips;
  #showAll;

  /**
   * @param {HTMLElement} box
   * @param {import("./overlay.js").Instance[]} instances  best first
   * @param {import("./view.js").View} view
   */
  constructor(box, instances, view) {
    this.#box = box;
    this.#objects = instances.filter(({ kind }) => kind !== "face");
    const colours = new Map(
      this.#objects.map(
        ({
          name,
          colours: {
            class: { fill },
          },
        }) => [name, fill],
      ),
    );
    this.#chips = new Map([...colours].map(([name, colour]) => [name, chip(name, colour, !view.hides(name))]));
    this.#showAll = html("button", { type: "button", className: "plain", textContent: "Show all" });
    box.replaceChildren(...this.#chips.values(), this.#showAll);
    box.addEventListener("change", ({ target }) => view.toggle(target.value, target.checked));
    this.#showAll.addEventListener("click", () => this.#tickAll());
  }

  /**
   * A guess that is shown as another's rival is not counted.
   * @param {import("./overlay.js").Shape[]} shapes  what is shown
   */
  update(view, shapes) {
    let hiding = false;
    const shown = shapes.map(({ instance }) => instance).filter(({ kind }) => kind !== "face");
    for (const [name, element] of this.#chips) {
      const counted = view.hides(name) ? this.#objects.filter((object) => view.passes(object)) : shown;
      const n = counted.filter((object) => object.name === name).length;
      element.hidden = n === 0;
      element.querySelector("b").textContent = n;
      hiding ||= n > 0 && view.hides(name);
    }
    this.#showAll.hidden = !hiding;
  }

  #tickAll() {
    for (const input of this.#box.querySelectorAll("input:not(:checked)")) input.click();
    this.#box.querySelector("input")?.focus();
  }
}

function chip(name, colour, checked) {
  const input = html("input", { type: "checkbox", name: "ticked", value: name, checked });
  const label = html("span", { textContent: name });
  return html("label", { className: "chip" }, input, dot(colour), label, " ", html("b"));
}
