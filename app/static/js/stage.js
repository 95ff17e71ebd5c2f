// The drawing over the photo: every instance once, shown or not, found again under the pointer.

import { area, inReadingOrder } from "./overlay.js";
import { corners, outline, svg } from "./svg.js";
import { draw, text } from "./tags.js";

export class Stage {
  /** @param {HTMLElement} box  holds the photo @param {object} overlay */
  constructor(box, overlay) {
    this.overlay = overlay;
    this.bySize = [...overlay.items].sort((a, b) => area(a) - area(b));
    this.shapes = new Map(overlay.items.map((item) => [item.id, shape(item)]));
    this.handles = new Map(overlay.items.map((item) => [item.id, handle(item)]));
    this.paths = new Map(overlay.items.map((item) => [item.id, new Path2D(outline(item.rings))]));
    this.canvas = document.createElement("canvas").getContext("2d");
    this.tagLayer = svg("g", { "aria-hidden": "true" });
    this.tags = new Map();
    this.visible = new Set();
    // Painted the largest first and faces last, as in the rendered file; walked through in reading order.
    const large = [...this.bySize].reverse().sort((a, b) => (a.kind === "face") - (b.kind === "face"));
    const inOrder = inReadingOrder(overlay.items, overlay.height).map((item) => this.handles.get(item.id));
    this.root = svg(
      "svg",
      { viewBox: `0 0 ${overlay.width} ${overlay.height}`, role: "group", "aria-label": "What was found" },
      svg("g", {}, ...large.map((item) => this.shapes.get(item.id))),
      this.tagLayer,
      svg("g", {}, ...inOrder),
    );
    box.append(this.root);
  }

  /** Shows what the state shows. */
  update(state) {
    this.state = state;
    const layers = { masks: state.layer("masks"), boxes: state.layer("boxes") };
    this.visible = new Set(this.overlay.items.filter((item) => state.shows(item)).map(({ id }) => id));
    for (const [id, element] of this.shapes) {
      toggle(this.handles.get(id), this.visible.has(id));
      for (const mask of element.querySelectorAll(".mask")) toggle(mask, layers.masks);
      for (const box of element.querySelectorAll("rect.box")) toggle(box, layers.boxes);
    }
    this.layout();
  }

  /** Places the tags anew: after a change, or when the stage has another size. */
  layout() {
    if (!this.state) return;
    const { width, height, items, captions } = this.overlay;
    const shown = items.filter(({ id }) => this.visible.has(id));
    const frame = { width, height, scale: this.scale };
    const labels = this.state.layer("labels");
    this.tags = draw(this.tagLayer, labels ? shown : [], frame, this.state.layer("boxes"), labels ? captions : []);
    this.light(this.lit);
  }

  /** Screen pixels for each pixel of the photo. */
  get scale() {
    const { clientWidth, clientHeight } = this.root;
    return Math.min(clientWidth / this.overlay.width, clientHeight / this.overlay.height) || 1;
  }

  /** Lights up one instance (also one that is not shown), or none; the others step back. */
  light(id) {
    this.lit = id;
    this.root.classList.toggle("lit", Boolean(id));
    for (const [other, element] of this.shapes) {
      element.classList.toggle("on", other === id);
      this.handles.get(other).classList.toggle("on", other === id);
      toggle(element, this.visible.has(other) || other === id);
    }
    for (const [other, { element }] of this.tags) element.classList.toggle("on", other === id);
  }

  pin(id) {
    for (const [other, element] of this.handles) element.setAttribute("aria-pressed", String(other === id));
  }

  /** The instance at a point of the screen: the smallest whose mask is there, else the smallest box. */
  at({ clientX, clientY }) {
    const { x, y } = new DOMPoint(clientX, clientY).matrixTransform(this.root.getScreenCTM().inverse());
    for (const [id, { rect }] of this.tags) if (inside(rect, x, y)) return id;
    const shown = this.bySize.filter(({ id }) => this.visible.has(id));
    const masked =
      this.state.layer("masks") &&
      shown.find(({ id }) => this.canvas.isPointInPath(this.paths.get(id), x, y, "evenodd"));
    const boxed = masked || shown.find(({ box }) => inside(box, x, y));
    return boxed ? boxed.id : null;
  }
}

const inside = ([x1, y1, x2, y2], x, y) => x >= x1 && x <= x2 && y >= y1 && y <= y2;

function toggle(element, shown) {
  if (shown) element.removeAttribute("display");
  else element.setAttribute("display", "none");
}

const rectOf = ({ box }) => ({ x: box[0], y: box[1], width: box[2] - box[0], height: box[3] - box[1] });

/** What is seen of an instance. */
function shape(item) {
  const { box, colour, kind } = item;
  const rect = rectOf(item);
  const parts = [];
  if (item.rings.length)
    parts.push(svg("path", { class: "mask", d: outline(item.rings), fill: colour, stroke: colour }));
  if (kind === "face") {
    const size = Math.max(1, rect.width / 40);
    parts.push(
      svg("path", { class: "box casing", d: corners(box), stroke: "#fff" }),
      svg("path", { class: "box corner", d: corners(box), stroke: colour }),
    );
    for (const [cx, cy] of item.points) parts.push(svg("circle", { class: "point", cx, cy, r: size, fill: "#fff" }));
  } else {
    parts.push(svg("rect", { class: "box", stroke: colour, ...rect }));
  }
  return svg("g", { class: "shape" }, ...parts);
}

/** What is focused and spoken of an instance. */
function handle(item) {
  const rect = rectOf(item);
  const label = {
    class: "inst",
    tabindex: 0,
    role: "button",
    "aria-pressed": "false",
    "aria-label": text(item),
    "data-id": item.id,
  };
  return svg("g", label, svg("rect", { class: "halo", ...rect }), svg("rect", { class: "ring", ...rect }));
}
