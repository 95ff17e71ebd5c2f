// How the result is looked at: threshold, hidden classes, layers. The values live in the form's own controls.

import { sameName } from "./overlay.js";

/** A share of 0..1 as the slider knows it, rounded down: 0.419 -> 41. */
export const wholePercents = (share) => Math.floor(100 * share + 1e-6);

const CORRECTED = "corrected"; // The source where none is asked for.
/** Of more than so many things shown, only what is lit or pinned has a tag, and the list is grouped. */
export const CROWD = 25;
const LAYERS = { masks: true, boxes: false, labels: true, faces: true }; // Shown where the form has no switch for it.

export class View {
  #form;
  #range;
  #exact;
  #hidden;

  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.#form = form;
    this.#range = form.elements.percent;
    // The slider knows whole percents only: until it is moved, the threshold is the one of the address.
    const moved = this.#range.value !== form.elements.slider.value;
    this.#exact = moved ? null : Number(form.elements.asked.value);
    this.#range.addEventListener("input", () => {
      this.#exact = null;
    });
    this.#hidden = JSON.parse(form.dataset.hidden);
  }

  get threshold() {
    return this.#exact ?? Number(this.#range.value) / 100;
  }

  set threshold(share) {
    this.#exact = null;
    this.#range.value = String(wholePercents(share));
  }

  /** Whether a layer (masks, boxes, labels, faces) is shown. */
  layer(name) {
    const layers = [...this.#form.querySelectorAll('input[name="layer"]')];
    const input = layers.find(({ value }) => value === name);
    return input ? input.type === "hidden" || input.checked : LAYERS[name];
  }

  /** `class` or `object`: what has a colour of its own. */
  get colours() {
    return this.#form.elements.colours?.value ?? "class";
  }

  /** Whether the box of an instance is drawn: around a mask only where boxes are asked for. */
  boxes({ rings }) {
    return this.layer("boxes") || (this.layer("masks") && !rings.length);
  }

  hides(name) {
    return this.#hidden.some((other) => sameName(other, name));
  }

  toggle(name, shown) {
    this.#hidden = this.#hidden.filter((other) => !sameName(other, name));
    if (!shown) this.#hidden.push(name);
  }

  /** Whether an instance reaches the threshold. */
  passes(instance) {
    return instance.score >= this.threshold;
  }

  /** Whether an instance's class and layer are shown, whatever its score. */
  allows(instance) {
    return !this.hides(instance.name) && (instance.kind !== "face" || this.layer("faces"));
  }

  shows(instance) {
    return this.passes(instance) && this.allows(instance);
  }

  /** The part of the query that selects instances. */
  filters() {
    const query = new URLSearchParams({ threshold: String(this.threshold) });
    const excluded = this.#hidden.map((name) => name.replace(/[\\,]/g, "\\$&"));
    if (excluded.length) query.set("exclude", excluded.join(","));
    return query;
  }

  /** The query that asks the server for the same view. */
  query() {
    const query = this.filters();
    const { source } = this.#form.elements;
    if (source.value !== CORRECTED) query.set("source", source.value);
    for (const [layer, shown] of Object.entries(LAYERS))
      if (this.layer(layer) !== shown) query.set(layer, shown ? "0" : "1");
    if (this.colours !== "class") query.set("colours", this.colours);
    return query;
  }
}
