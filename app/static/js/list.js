// The list beside the photo: a row for each instance shown; where none is, some that are below the threshold.

import { bar, dot, html } from "./dom.js";
import { offerText } from "./share.js";
import { wholePercents } from "./view.js";
import { count, percent } from "./words.js";

const MAX_WEAKER = 8;

export class List {
  #list;
  #instances;
  #rows;
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
    this.#empty = box.querySelector(".empty") ?? html("p", { className: "empty" });
    this.#list.before(this.#empty);
    this.#list.replaceChildren(...this.#rows.values());
    this.#lower.addEventListener("click", (event) => {
      event.preventDefault();
      onLower(Number(new URL(this.#lower.href).searchParams.get("threshold")));
    });
  }

  /** The element whose rows are pointed at. */
  get element() {
    return this.#list;
  }

  update(view) {
    const shown = this.#instances.filter((instance) => view.shows(instance));
    const below = this.#instances.filter((instance) => !view.passes(instance));
    const allHidden = !shown.length && below.length < this.#instances.length;
    const weaker = shown.length || allHidden ? [] : below.slice(0, MAX_WEAKER);
    const listed = new Set([...shown, ...weaker]);
    for (const instance of this.#instances) {
      const element = this.#rows.get(instance.id);
      element.hidden = !listed.has(instance);
      element.classList.toggle("weak", weaker.includes(instance));
    }
    this.#empty.hidden = shown.length > 0;
    this.#empty.textContent = allHidden ? "Everything that was found is hidden." : nothingAbove(view, below.length);
    if (weaker.length) this.#offerLower(view);
    this.#list.setAttribute("aria-label", weaker.length ? "Weaker guesses" : "Found");
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

  /** Highlights a row, or none. */
  light(id, scroll) {
    for (const [other, element] of this.#rows) element.classList.toggle("on", other === id);
    if (scroll && this.#rows.has(id)) this.#scrollTo(this.#rows.get(id));
  }

  pin(id) {
    for (const [other, element] of this.#rows) {
      element.classList.toggle("pinned", other === id);
      element.firstChild.setAttribute("aria-pressed", String(other === id));
    }
  }

  #scrollTo({ offsetTop, offsetHeight }) {
    const list = this.#list;
    const top = offsetTop - list.offsetTop;
    const bottom = top + offsetHeight;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
  }
}

function nothingAbove(view, below) {
  const sentence = `Nothing above ${percent(view.threshold)}.`;
  return below ? `${sentence} ${count(below, "weaker guess", "weaker guesses")}:` : sentence;
}

function row({ id, name, score, colour, text }) {
  const button = html(
    "button",
    { type: "button", className: "item" },
    dot(colour),
    html("span", { className: "what", textContent: text || name, title: text }),
    bar(score, colour),
    html("span", { className: "num", textContent: percent(score) }),
  );
  button.dataset.id = id;
  button.setAttribute("aria-pressed", "false");
  return html("li", { className: text ? "read" : "" }, button, ...(text ? [copyButton(text)] : []));
}

function copyButton(text) {
  const button = html("button", { type: "button", className: "plain copy", textContent: "Copy" });
  button.setAttribute("aria-label", `Copy ${text}`);
  offerText(button, () => text);
  return button;
}
