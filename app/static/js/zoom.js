// Enlarges and moves the photo on the stage: by fingers, wheel, double click, dragging and keys.

import { between, FITTING } from "./viewport.js";

const STEP = 1.5;
const DOUBLE = 2.5;
const PAN_PX = 60; // Of an arrow key.
const DRAG_PX = 4; // A press that moves less is a click.
const PER_WHEEL_PX = 0.002;
const PER_PINCH_PX = 0.01; // A trackpad's pinch comes as a wheel of smaller numbers.
const LINE_PX = 16; // Of a wheel that counts lines.
const SAME_TURN_MS = 250; // The wheel rests as long between two turns.
const FLIGHT_MS = 280;
const KEYS = { "+": STEP, "=": STEP, "-": 1 / STEP };
const ARROWS = { ArrowLeft: [PAN_PX, 0], ArrowRight: [-PAN_PX, 0], ArrowUp: [0, PAN_PX], ArrowDown: [0, -PAN_PX] };
const TYPED_INTO = "select, textarea, input:not([type=checkbox], [type=radio], [type=range])";
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

export class Zoom {
  #surface;
  #viewport;
  #onChange;
  #pointers = new Map();
  #dragged = false;
  #turn = { end: 0, zooms: false };
  #flight = 0;
  #aim = null; // The zoom at the end of a flight.

  /**
   * @param {HTMLElement} surface  as large as the stage
   * @param {import("./viewport.js").Viewport} viewport
   * @param {() => void} onChange  called after each change of the viewport
   */
  constructor(surface, viewport, onChange) {
    this.#surface = surface;
    this.#viewport = viewport;
    this.#onChange = onChange;
    surface.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    surface.addEventListener("dblclick", (event) => this.#onDoubleClick(event));
    surface.addEventListener("pointerdown", (event) => this.#onDown(event));
    surface.addEventListener("pointermove", (event) => this.#onMove(event));
    for (const name of ["pointerup", "pointercancel"]) surface.addEventListener(name, (event) => this.#onUp(event));
    surface.addEventListener("click", (event) => this.#dragged && event.stopPropagation(), { capture: true });
    document.addEventListener("keydown", (event) => this.#onKey(event));
  }

  in() {
    this.#by(STEP);
  }

  out() {
    this.#by(1 / STEP);
  }

  fit() {
    this.#flyTo(FITTING);
  }

  /** Brings a box of the photo into view, enlarged. */
  show(box) {
    this.#flyTo(this.#viewport.showing(box));
  }

  /** Moves an enlarged photo so that a box of it is seen as a whole, if it is not yet. */
  reveal(box) {
    if (!this.#viewport.contains(box)) this.#flyTo(this.#viewport.showing(box, this.#viewport.zoom));
  }

  /** Enlarges from the middle of the stage. */
  #by(factor) {
    const { width, height } = this.#surface.getBoundingClientRect();
    this.#flyTo(this.#viewport.zoomedTo((this.#aim ?? this.#viewport.zoom) * factor, [width / 2, height / 2]));
  }

  /** + and - enlarge and shrink, 0 fits, Shift and the arrows move. */
  #onKey(event) {
    const { key, shiftKey, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || target.closest(TYPED_INTO)) return;
    if (KEYS[key]) this.#by(KEYS[key]);
    if (key === "0") this.fit();
    if (!shiftKey || !ARROWS[key] || this.#viewport.zoom === 1 || target.closest("input")) return;
    event.preventDefault();
    this.#change(() => this.#viewport.moveBy(...ARROWS[key]));
  }

  #onWheel(event) {
    const enlarges = event.deltaY < 0;
    // Where the wheel would do nothing here, it scrolls the page, and goes on doing so until it rests.
    if (event.timeStamp > this.#turn.end) {
      this.#turn.zooms = event.ctrlKey || this.#viewport.zoom > 1 || (enlarges && scrollY === 0);
    }
    this.#turn.end = event.timeStamp + SAME_TURN_MS;
    if (!this.#turn.zooms) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX : 1);
    const factor = Math.exp(-pixels * (event.ctrlKey ? PER_PINCH_PX : PER_WHEEL_PX));
    this.#change(() => this.#viewport.zoomBy(factor, this.#place(event)));
  }

  #onDoubleClick(event) {
    const { zoom } = this.#viewport;
    this.#flyTo(zoom > 1 ? FITTING : this.#viewport.zoomedTo(DOUBLE, this.#place(event)));
  }

  #onDown(event) {
    if (event.button) return;
    this.#pointers.delete(event.pointerId);
    if (!this.#pointers.size) this.#dragged = false;
    this.#pointers.set(event.pointerId, this.#place(event));
  }

  /** One pointer drags an enlarged photo; two enlarge it and take it along. */
  #onMove(event) {
    if (!event.buttons) this.#pointers.delete(event.pointerId); // Released elsewhere.
    const last = this.#pointers.get(event.pointerId);
    if (!last) return;
    const before = [...this.#pointers.values()];
    const place = this.#place(event);
    if (before.length === 1) {
      if (!this.#dragged && distance(last, place) < DRAG_PX) return;
      if (this.#viewport.zoom === 1) return;
      this.#surface.setPointerCapture(event.pointerId);
    }
    this.#dragged = true;
    this.#pointers.set(event.pointerId, place);
    const after = [...this.#pointers.values()];
    const [from, to] = [middle(before), middle(after)];
    this.#change(() => {
      if (after.length > 1) this.#viewport.zoomBy(distance(...after) / Math.max(1, distance(...before)), from);
      this.#viewport.moveBy(to[0] - from[0], to[1] - from[1]);
    });
  }

  #onUp({ pointerId }) {
    this.#pointers.delete(pointerId);
  }

  #flyTo(target) {
    cancelAnimationFrame(this.#flight);
    const { placement: from } = this.#viewport;
    // Flown to where it will be allowed to be, or the way there would have a kink.
    this.#viewport.placement = target;
    const { placement: to } = this.#viewport;
    this.#aim = to.zoom;
    const started = performance.now();
    const step = (now) => {
      const share = reducedMotion.matches ? 1 : Math.min(1, Math.max(0, (now - started) / FLIGHT_MS));
      this.#viewport.placement = between(from, to, share * share * (3 - 2 * share));
      this.#onChange();
      if (share < 1) this.#flight = requestAnimationFrame(step);
      else this.#aim = null;
    };
    step(started);
  }

  #change(move) {
    cancelAnimationFrame(this.#flight);
    this.#aim = null;
    move();
    this.#onChange();
  }

  /** Where on the stage an event is. */
  #place({ clientX, clientY }) {
    const { left, top } = this.#surface.getBoundingClientRect();
    return [clientX - left, clientY - top];
  }
}

const distance = ([x1, y1], [x2, y2]) => Math.hypot(x2 - x1, y2 - y1);
const middle = (points) => [0, 1].map((i) => points.reduce((sum, point) => sum + point[i], 0) / points.length);
