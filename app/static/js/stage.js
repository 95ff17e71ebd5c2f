// The drawing over the photo: a shape and a handle for each instance, shown or not, and tags placed again on changes.

import { svg } from "./dom.js";
import { area, inReadingOrder } from "./overlay.js";
import { handle, outline, shape } from "./shapes.js";
import { drawTags } from "./tags.js";

const MIDDLE_PX = 12; // from the middle of an instance in each direction: a target of 24 px

export class Stage {
  #svg;
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
    box.append(this.#svg);
    new ResizeObserver(() => this.#placeTags()).observe(this.#svg);
    document.fonts.ready.then(() => this.#placeTags());
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
    const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(this.#svg.getScreenCTM().inverse());
    const shown = this.#smallestFirst.filter(({ id }) => this.#shown.has(id));
    for (const [id, { box }] of this.#tags) {
      if (inside(box, x, y)) return shown.find((instance) => this.#isMiddle(instance, x, y))?.id ?? id;
    }
    const inMask = ({ id }) => this.#context.isPointInPath(this.#paths.get(id), x, y, "evenodd");
    const masked = this.#view.layer("masks") && shown.find(inMask);
    return (masked || shown.find(({ box }) => inside(box, x, y)))?.id ?? null;
  }

  #isMiddle({ box: [x1, y1, x2, y2] }, x, y) {
    const reach = MIDDLE_PX / this.#scale;
    return (
      Math.abs(x - (x1 + x2) / 2) <= Math.min(reach, (x2 - x1) / 2) &&
      Math.abs(y - (y1 + y2) / 2) <= Math.min(reach, (y2 - y1) / 2)
    );
  }

  #placeTags() {
    if (!this.#view) return;
    const { width, height, instances, captions } = this.#overlay;
    const labels = this.#view.layer("labels");
    const frame = { width, height, scale: this.#scale };
    this.#tags = drawTags(
      this.#tagLayer,
      labels ? instances.filter(({ id }) => this.#shown.has(id)) : [],
      labels ? captions : [],
      frame,
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

  /** Pixels of the screen for each of the photo. */
  get #scale() {
    const { clientWidth, clientHeight } = this.#svg;
    return Math.min(clientWidth / this.#overlay.width, clientHeight / this.#overlay.height) || 1;
  }
}

const inside = ([x1, y1, x2, y2], x, y) => x >= x1 && x <= x2 && y >= y1 && y <= y2;

function display(element, shown) {
  if (shown) element.removeAttribute("display");
  else element.setAttribute("display", "none");
}
