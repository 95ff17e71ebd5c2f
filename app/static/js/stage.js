// The drawing over the photo: a shape and a handle for each instance, shown or not, and tags placed again on changes.

import { html, svg } from "./dom.js";
import { area, inReadingOrder } from "./overlay.js";
import { handle, outline, shape } from "./shapes.js";
import { sharpen } from "./sharpen.js";
import { drawTags } from "./tags.js";
import { CROWD } from "./view.js";
import { Viewport } from "./viewport.js";
import { placeText, spokenText } from "./words.js";
import { Zoom } from "./zoom.js";
import { zoomButtons } from "./zoom_buttons.js";

const MIDDLE_PX = 12; // from the middle of an instance in each direction: a target of 24 px
const REST_MS = 120; // The tags are placed again once the photo has not moved for as long.
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1, Home: -Infinity, End: Infinity };

export class Stage {
  #box;
  #photo;
  #element;
  #svg;
  #viewport;
  #zoom;
  #buttons;
  #restTimer = 0;
  #overlay;
  #view = null;
  #lit = null;
  #pinned = null;
  #smallestFirst;
  #inReadingOrder;
  #drawn;
  #handles;
  #paths;
  #tagLayer = svg("g", { "aria-hidden": "true" });
  #tags = new Map();
  #shapes = new Map();
  #context = document.createElement("canvas").getContext("2d");

  /**
   * @param {HTMLElement} box  holds the photo
   * @param {object} overlay  from fetchOverlay
   */
  constructor(box, overlay) {
    const { instances, width, height } = overlay;
    const each = (make) => new Map(instances.map((instance) => [instance.id, make(instance)]));
    this.#overlay = overlay;
    this.#smallestFirst = [...instances].sort((a, b) => area(a) - area(b));
    this.#inReadingOrder = inReadingOrder(instances, height);
    this.#drawn = each(shape);
    this.#handles = each(handle);
    this.#paths = each(({ rings }) => new Path2D(outline(rings)));
    // Painted the largest first and faces last, as in the rendered file; walked through in reading order.
    const painted = [...this.#smallestFirst].reverse().sort((a, b) => (a.kind === "face") - (b.kind === "face"));
    this.#svg = svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "What was found" },
      svg("g", {}, ...painted.map(({ id }) => this.#drawn.get(id))),
      this.#tagLayer,
      svg("g", {}, ...this.#inReadingOrder.map(({ id }) => this.#handles.get(id))),
    );
    this.#box = box;
    this.#photo = box.querySelector("#photo");
    this.#viewport = new Viewport(width, height);
    this.#element = html("div", { className: "drawing" }, this.#svg);
    this.#zoom = new Zoom(this.#element, this.#viewport, () => this.#onMove());
    this.#buttons = zoomButtons(this.#zoom);
    this.#element.addEventListener("keydown", (event) => this.#onKey(event));
    this.#element.addEventListener("focusin", ({ target }) => this.#stopAt(target.dataset.id));
    box.append(this.#element, this.#buttons.element);
    this.#photo.addEventListener("load", () => sharpen(this.#photo, this.#viewport));
    new ResizeObserver(() => this.#onResize()).observe(this.#svg);
    document.fonts.ready.then(() => this.#placeTags());
  }

  /** What is pointed at; not the SVG: a browser gives one that listens for the focus a tab stop of its own. */
  get element() {
    return this.#element;
  }

  /** Where the photo lies on the stage: `toPhoto` and `toStage` turn points into each other. */
  get viewport() {
    return this.#viewport;
  }

  /** Enlarges one instance. */
  show(id) {
    this.#zoom.show(this.#boxOf(id));
  }

  fit() {
    this.#zoom.fit();
  }

  /**
   * Shows what a view shows.
   * @param {import("./overlay.js").Shape[]} shapes
   */
  update(view, shapes) {
    this.#view = view;
    this.#shapes = new Map(shapes.map((one) => [one.instance.id, one]));
    const masks = view.layer("masks");
    for (const instance of this.#overlay.instances) {
      const element = this.#drawn.get(instance.id);
      element.style.color = instance.colours[view.colours].fill;
      offer(this.#handles.get(instance.id), this.#shapes.has(instance.id));
      for (const mask of element.querySelectorAll(".mask")) display(mask, masks);
      for (const box of element.querySelectorAll(".frame")) display(box, view.boxes(instance));
    }
    this.#name();
    this.#placeTags();
  }

  /** Highlights one instance, even one that is not shown, and dims the others; null for none. */
  light(id) {
    if (id === this.#lit) return;
    this.#lit = id;
    if (this.#crowded) this.#placeTags();
    else this.#showLit();
  }

  pin(id) {
    this.#pinned = id;
    for (const [other, element] of this.#handles) element.setAttribute("aria-pressed", String(other === id));
    if (id) this.#stopAt(id);
  }

  /**
   * The id of the instance at a pointer: by its tag, else the smallest whose mask or else box is there; null for none.
   * The middle of an instance stays its own, also under the tag of another.
   */
  idAt({ clientX, clientY, target }) {
    const pressed = target.closest(".inst"); // By a screen reader: pointers never meet it.
    if (pressed) return pressed.dataset.id;
    const { left, top } = this.#svg.getBoundingClientRect();
    const [x, y] = this.#viewport.toPhoto([clientX - left, clientY - top]);
    const shown = this.#smallestFirst.filter(({ id }) => this.#shapes.has(id));
    for (const [id, { corner, size }] of this.#tags) {
      const end = corner.map((start, i) => start + size[i] / this.#viewport.scale);
      if (inside([...corner, ...end], x, y)) return shown.find((instance) => this.#isMiddle(instance, x, y))?.id ?? id;
    }
    const inMask = ({ id }) => this.#context.isPointInPath(this.#paths.get(id), x, y, "evenodd");
    const masked = this.#view.layer("masks") && shown.find(inMask);
    return (masked || shown.find(({ box }) => inside(box, x, y)))?.id ?? null;
  }

  #isMiddle({ box: [x1, y1, x2, y2] }, x, y) {
    const reach = MIDDLE_PX / this.#viewport.scale;
    return (
      Math.abs(x - (x1 + x2) / 2) <= Math.min(reach, (x2 - x1) / 2) &&
      Math.abs(y - (y1 + y2) / 2) <= Math.min(reach, (y2 - y1) / 2)
    );
  }

  /** The stage is one stop of the Tab key; arrows lead from one instance to the next. */
  #onKey(event) {
    const step = STEPS[event.key];
    if (!step || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const ids = this.#stops();
    const here = ids.indexOf(event.target.dataset.id);
    const next = ids[Math.min(Math.max(here + step, 0), ids.length - 1)];
    this.#handles.get(next)?.focus({ preventScroll: true });
    if (next) this.#zoom.reveal(this.#boxOf(next));
  }

  #stops() {
    return this.#inReadingOrder.map(({ id }) => id).filter((id) => this.#shapes.has(id));
  }

  /** Tab comes back to one instance; to the first one where it is not shown any more. */
  #stopAt(id) {
    const stop = this.#shapes.has(id) ? id : this.#stops()[0];
    for (const [other, element] of this.#handles) element.setAttribute("tabindex", other === stop ? 0 : -1);
  }

  /** What is spoken of each instance counts those shown of its class, in reading order. */
  #name() {
    const { width, height } = this.#overlay;
    const stops = this.#stops();
    const counts = new Map();
    const number = (name) => counts.set(name, (counts.get(name) ?? 0) + 1).get(name);
    const numbers = stops.map((id) => number(this.#shapes.get(id).instance.name));
    for (const [i, id] of stops.entries()) {
      const { instance, rivals } = this.#shapes.get(id);
      const all = counts.get(instance.name);
      const where = placeText(instance.box, width, height);
      const words = spokenText(instance, rivals, all > 1 ? `${numbers[i]} of ${all}` : "", where);
      this.#handles.get(id).setAttribute("aria-label", words);
    }
    const stop = this.#inReadingOrder.find(({ id }) => this.#handles.get(id).getAttribute("tabindex") === "0");
    this.#stopAt(stop?.id);
  }

  /** What gets a tag in the part of the photo that is seen. */
  get #tagged() {
    const { seen } = this.#viewport;
    return [...this.#shapes.values()].filter(({ instance }) => instance.tagged && overlap(instance.box, seen));
  }

  get #crowded() {
    return this.#tagged.length > CROWD;
  }

  #placeTags() {
    if (!this.#view) return;
    const labels = this.#view.layer("labels");
    const crowded = this.#crowded;
    this.#svg.classList.toggle("crowd", crowded);
    const chosen = (one) => !crowded || one.instance.id === this.#lit || one.instance.id === this.#pinned;
    const shapes = labels ? this.#tagged.filter(chosen) : [];
    const captions = labels ? this.#overlay.captions : [];
    this.#tags = drawTags(this.#tagLayer, shapes, captions, this.#viewport, this.#view);
    this.#showLit();
  }

  #showLit() {
    const id = this.#lit;
    this.#svg.classList.toggle("lit", Boolean(id));
    for (const [other, element] of this.#drawn) {
      element.classList.toggle("on", other === id);
      this.#handles.get(other).classList.toggle("on", other === id);
      display(element, this.#shapes.has(other) || other === id);
    }
    for (const [other, { elements }] of this.#tags) {
      for (const element of elements) element.classList.toggle("on", other === id);
    }
  }

  #onResize() {
    this.#viewport.resize(this.#svg.clientWidth, this.#svg.clientHeight);
    this.#moved();
    this.#placeTags();
  }

  #onMove() {
    this.#moved();
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => this.#onRest(), REST_MS);
  }

  /** Photo, drawing and tags go where the viewport says; the tags keep their size. */
  #moved() {
    const { zoom, x, y } = this.#viewport.transform;
    this.#photo.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`;
    this.#svg.setAttribute("viewBox", this.#viewport.viewBox.join(" "));
    this.#tagLayer.style.setProperty("--pixel", 1 / this.#viewport.scale);
    this.#box.classList.toggle("zoomed", zoom > 1);
    this.#buttons.update(this.#viewport);
  }

  #onRest() {
    this.#placeTags();
    sharpen(this.#photo, this.#viewport);
  }

  #boxOf(id) {
    return this.#overlay.instances.find((instance) => instance.id === id).box;
  }
}

const inside = ([x1, y1, x2, y2], x, y) => x >= x1 && x <= x2 && y >= y1 && y <= y2;
const overlap = (one, other) => one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3];

/** Shows a handle or takes it away, also from screen readers: Chromium tells them of parts of an SVG without display. */
function offer(handle, shown) {
  display(handle, shown);
  handle.setAttribute("aria-hidden", String(!shown));
}

function display(element, shown) {
  if (shown) element.removeAttribute("display");
  else element.setAttribute("display", "none");
}
