// The list beside the photo: a row for each thing shown, those of a crowd by class; where none is shown, some that are
// below the threshold.

import { bar, dot, html } from "./dom.js";
import { offerText } from "./share.js";
import { CROWD, wholePercents } from "./view.js";
import { count, percent } from "./words.js";

const MAX_WEAKER = 8;
const MANY = 20; // Above so many the rows are lower.

export class List {
  #list;
  #instances;
  #rows;
  #groups = new Map();
  #grouped = null;
  #empty;
  #lower = html("a");

  /**
   * @param {HTMLElement} box  holds the list
   * @param {import("./overlay.js").Instance[]} instances  best first
   * @param {(threshold: number) => void} onLower  called where the visitor asks for a lower threshold
   */
  constructor(box, instances, onLower) {
    this.#list = box.querySelector("#list");
    this.#instances = instances;
    this.#rows = new Map(instances.map((instance) => [instance.id, row(instance)]));
    for (const { name, text } of instances) if (!text && !this.#groups.has(name)) this.#groups.set(name, group(name));
    this.#empty = box.querySelector(".empty") ?? html("p", { className: "empty" });
    this.#list.before(this.#empty);
    this.#lower.addEventListener("click", (event) => {
      event.preventDefault();
      onLower(Number(new URL(this.#lower.href).searchParams.get("threshold")));
    });
  }

  /** The element whose rows are pointed at. */
  get element() {
    return this.#list;
  }

  /** @param {import("./overlay.js").Shape[]} shapes  what is shown */
  update(view, shapes) {
    const below = this.#instances.filter((instance) => !view.passes(instance));
    const allHidden = !shapes.length && below.length < this.#instances.length;
    const weaker = shapes.length || allHidden ? [] : below.slice(0, MAX_WEAKER);
    const listed = new Map(
      [...shapes, ...weaker.map((instance) => ({ instance, rivals: [] }))].map((one) => [one.instance, one]),
    );
    for (const instance of this.#instances) this.#show(instance, listed.get(instance), view);
    for (const element of this.#rows.values()) element.classList.remove("weak");
    for (const { id } of weaker) this.#rows.get(id).classList.add("weak");
    this.#arrange(shapes);
    this.#list.classList.toggle("dense", listed.size > MANY);
    this.#empty.hidden = shapes.length > 0;
    this.#empty.textContent = allHidden ? "Everything that was found is hidden." : nothingAbove(view, below.length);
    if (weaker.length) this.#offerLower(view);
    this.#list.setAttribute("aria-label", weaker.length ? "Weaker guesses" : "Found");
  }

  #show(instance, shape, view) {
    const element = this.#rows.get(instance.id);
    element.hidden = !shape;
    if (!shape) return;
    if (!instance.text) element.querySelector(".what").replaceChildren(instance.name, ...shape.rivals.map(rival));
    paint(element, instance.colours[view.colours].fill);
  }

  /** Puts the rows of a crowd into groups, and those of a few in one list. Texts are always read one by one. */
  #arrange(shapes) {
    const named = shapes.map(({ instance }) => instance).filter(({ text }) => !text);
    const grouped = named.length > CROWD;
    for (const [name, element] of this.#groups) {
      const of = named.filter((instance) => instance.name === name);
      element.hidden = !of.length;
      if (!of.length) continue;
      element.querySelector("summary b").textContent = of.length;
      paint(element.querySelector("summary"), of[0].colours.class.fill);
    }
    if (grouped === this.#grouped) return;
    this.#grouped = grouped;
    const rows = this.#instances.map((instance) => [instance, this.#rows.get(instance.id)]);
    if (!grouped) {
      this.#list.replaceChildren(...rows.map(([, element]) => element));
      return;
    }
    for (const [name, element] of this.#groups) {
      const own = rows.filter(([instance]) => !instance.text && instance.name === name);
      element.querySelector("ul").replaceChildren(...own.map(([, row]) => row));
    }
    const read = rows.filter(([{ text }]) => text).map(([, element]) => element);
    this.#list.replaceChildren(...this.#groups.values(), ...read);
  }

  /** The next step where nothing is shown: the threshold from which on the best weaker guess is. */
  #offerLower(view) {
    const best = this.#instances.filter((instance) => view.allows(instance)).map(({ score }) => score);
    if (!best.length) return;
    const threshold = wholePercents(Math.max(...best)) / 100;
    const query = view.query();
    query.set("threshold", String(threshold));
    this.#lower.href = `?${query}`;
    this.#lower.textContent = `Lower to ${percent(threshold)}`;
    this.#empty.append(" ", this.#lower);
  }

  /** Highlights a row, or none; of a closed group its head. */
  light(id, scroll) {
    for (const [other, element] of this.#rows) element.classList.toggle("on", other === id);
    const place = id && this.#placeOf(id);
    for (const element of this.#groups.values()) element.classList.toggle("on", element === place);
    if (scroll && place) this.#scrollTo(place);
  }

  /** Marks a row, or none, and opens its group. */
  pin(id) {
    for (const [other, element] of this.#rows) {
      element.classList.toggle("pinned", other === id);
      element.querySelector("[data-id]").setAttribute("aria-pressed", String(other === id));
    }
    const details = id && this.#rows.get(id).closest("details");
    if (details) details.open = true;
  }

  /** Where a row is seen: itself, or its group if that is closed. */
  #placeOf(id) {
    const element = this.#rows.get(id);
    return element.closest("details:not([open])")?.parentElement ?? element;
  }

  #scrollTo(element) {
    const [box, place] = [this.#list.getBoundingClientRect(), element.getBoundingClientRect()];
    if (place.top < box.top) this.#list.scrollTop -= box.top - place.top;
    else if (place.bottom > box.bottom) this.#list.scrollTop += place.bottom - box.bottom;
  }
}

function nothingAbove(view, below) {
  const sentence = `Nothing above ${percent(view.threshold)}.`;
  return below ? `${sentence} ${count(below, "weaker guess", "weaker guesses")}:` : sentence;
}

function row({ id, name, score, text }) {
  const button = html(
    "button",
    { type: "button", className: "item" },
    dot("none"),
    html("span", { className: "what", textContent: text || name, title: text }),
    bar(score, "none"),
    html("span", { className: "num", textContent: percent(score) }),
  );
  button.dataset.id = id;
  button.setAttribute("aria-pressed", "false");
  return html("li", { className: text ? "read" : "" }, button, ...(text ? [copyButton(text)] : []));
}

function rival({ name, score }) {
  return html("span", { className: "rival", textContent: ` or ${name} ${percent(score)}` });
}

/** The rows of a class behind its name and number. */
function group(name) {
  const summary = html("summary", {}, dot("none"), html("span", { textContent: name }), html("b"));
  return html("li", { className: "group" }, html("details", {}, summary, html("ul")));
}

function paint(element, colour) {
  for (const rectangle of element.querySelectorAll("svg rect")) rectangle.setAttribute("fill", colour);
}

function copyButton(text) {
  const button = html("button", { type: "button", className: "plain copy", textContent: "Copy" });
  button.setAttribute("aria-label", `Copy ${text}`);
  offerText(button, () => text);
  return button;
}
