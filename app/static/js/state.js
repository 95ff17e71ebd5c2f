// What is shown: the threshold, the classes hidden, the layers. It lives in the form's own controls.

import { sameName } from "./overlay.js";

export class State {
  /** @param {HTMLFormElement} form */
  constructor(form) {
    this.form = form;
    this.range = form.elements.percent;
    // The slider knows only whole percents: until it is moved, the threshold is the one that was asked for.
    const moved = this.range.value !== form.elements.slider.value;
    this.asked = moved ? null : Number(form.elements.asked.value);
    this.range.addEventListener("input", () => {
      this.asked = null;
    });
    this.hidden = JSON.parse(form.dataset.hidden);
  }

  get threshold() {
    return this.asked ?? Number(this.range.value) / 100;
  }

  set threshold(share) {
    this.asked = null;
    this.range.value = String(Math.floor(100 * share + 1e-6));
  }

  layer(name) {
    const box = [...this.form.querySelectorAll('input[name="layer"]')].find(({ value }) => value === name);
    return box ? box.type === "hidden" || box.checked : true;
  }

  hides(name) {
    return this.hidden.some((other) => sameName(other, name));
  }

  toggle(name, shown) {
    this.hidden = this.hidden.filter((other) => !sameName(other, name));
    if (!shown) this.hidden.push(name);
  }

  enough(item) {
    return item.score >= this.threshold;
  }

  shows(item) {
    return this.enough(item) && !this.hides(item.name) && (item.kind === "object" || this.layer("faces"));
  }

  /** The query that asks the server for the same view. */
  query() {
    const query = new URLSearchParams({ threshold: String(this.threshold) });
    if (this.hidden.length) query.set("exclude", this.hidden.map((name) => name.replace(/[\\,]/g, "\\$&")).join(","));
    for (const layer of ["masks", "boxes", "labels", "faces"]) if (!this.layer(layer)) query.set(layer, "0");
    return query;
  }
}
