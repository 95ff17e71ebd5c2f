// The drawing over the photo: a shape and a handle for each instance, shown or not, and tags placed again on changes.

import { html, svg } from "./dom.js";
import { area, inReadingOrder } from "./overlay.js";
import { handle, outline, shape } from "./shapes.js";
import { sharpen } from "./sharpen.js";
import { drawTags } from "./tags.js";
import { Viewport } from "./viewport.js";
import { Zoom } from "./zoom.js";
import { zoomButtons } from "./zoom_buttons.js";

const MIDDLE_PX = 12; // from the middle of an instance in each direction: a target of 24 px
const REST_MS = 120; // The tags are placed again once the photo has not moved for as long.

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
  #smallestFirst;
  #shapes;
  #handles;
  #paths;
  #tagLayer = svg("g", { "aria-hidden": "true" });
  #tags = new Map();
  #shown = new Set();
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
    this.#shapes = each(shape);
    this.#handles = each(handle);
    this.#paths = each(({ rings }) => new Path2D(outline(rings)));
    // Painted the largest first and faces last, as in the rendered file; reached by Tab in reading order.
    const painted = [...this.#smallestFirst].reverse().sort((a, b) => (a.kind === "face") - (b.kind === "face"));
    this.#svg = svg(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": "What was found" },
      svg("g", {}, ...painted.map(({ id }) => this.#shapes.get(id))),
      this.#tagLayer,
      svg("g", {}, ...inReadingOrder(instances, height).map(({ id }) => this.#handles.get(id))),
    );
    this.#box = box;
    this.#photo = box.querySelector("#photo");
    this.#viewport = new Viewport(width, height);
    this.#element = html("div", { className: "drawing" }, this.#svg);
    this.#zoom = new Zoom(this.#element, this.#viewport, () => this.#onMove());
    this.#buttons = zoomButtons(this.#zoom);
    box.append(this.#element, this.#buttons.element);
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

  /** Brings one instance into view where the photo is enlarged. */
  reveal(id) {
    this.#zoom.reveal(this.#boxOf(id));
  }

  fit() {
    this.#zoom.fit();
  }

  /** Shows what a view shows. */
  update(view) {
    this.#view = view;
    const [masks, boxes] = [view.layer("masks"), view.layer("boxes")];
    this.#shown = new Set(this.#overlay.instances.filter((instance) => view.shows(instance)).map(({ id }) => id));
    for (const [id, element] of this.#shapes) {
      display(this.#handles.get(id), this.#shown.has(id));
      for (const mask of element.querySelectorAll(".mask")) display(mask, masks);
      for (const box of element.querySelectorAll(".frame")) display(box, boxes);
    }
    this.#placeTags();
  }

  /** Highlights one instance, even one that is not shown, and dims the others; null for none. */
  light(id) {
    if (id === this.#lit) return;
    this.#lit = id;
    this.#showLit();
  }

  pin(id) {
    for (const [other, element] of this.#handles) element.setAttribute("aria-pressed", String(other === id));
  }

  /**
   * The id of the instance at a pointer: by its tag, else the smallest whose mask or else box is there; null for none.
   * The middle of an instance stays its own, also under the tag of another.
   */
  idAt({ clientX, clientY }) {
    const { left, top } = this.#svg.getBoundingClientRect();
    const [x, y] = this.#viewport.toPhoto([clientX - left, clientY - top]);
    const shown = this.#smallestFirst.filter(({ id }) => this.#shown.has(id));
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

  #placeTags() {
    if (!this.#view) return;
    const { instances, captions } = this.#overlay;
    const labels = this.#view.layer("labels");
    this.#tags = drawTags(
      this.#tagLayer,
      labels ? instances.filter(({ id }) => this.#shown.has(id)) : [],
      labels ? captions : [],
      this.#viewport,
      this.#view.layer("boxes"),
    );
    this.#showLit();
  }

  #showLit() {
    const id = this.#lit;
    this.#svg.classList.toggle("lit", Boolean(id));
    for (const [other, element] of this.#shapes) {
      element.classList.toggle("on", other === id);
      this.#handles.get(other).classList.toggle("on", other === id);
      display(element, this.#shown.has(other) || other === id);
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

function display(element, shown) {
  if (shown) element.removeAttribute("display");
  else element.setAttribute("display", "none");
}
