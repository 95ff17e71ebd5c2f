// What pointers do on the photo, by mouse, finger and pen: one of them works with the tool, two enlarge the photo.

import { boundsOf, holds } from "./mask.js";
import { distance, fromLine, rings } from "./outline.js";
import { area, corners } from "./surface.js";

const REACH_PX = { mouse: 9, pen: 12, touch: 22 }; // From which a handle or point is taken hold of.
const DRAG_PX = 4; // A press that moves less is a click.
const MIN_SIDE = 2; // Pixels of the photo, of a new box.
const SCREEN = 1600; // Pixels along a screen: what is less than one of them is not seen.
const SHARE = 1 / 40; // Of an object's extent that its outline may differ by.
// Which sides of a box each handle moves, by the order of `corners`.
const SIDES = [[0, 1], [1], [2, 1], [2], [2, 3], [3], [0, 3], [0]];

export class Tools {
  #surface;
  #editor;
  #gesture = null;
  #pointers = new Set();
  #outline = { mask: null, rings: null };
  #tool = "move";
  #size = 0;

  /**
   * @param {import("./surface.js").Surface} surface
   * @param {import("./editor.js").Editor} editor
   * @param {() => void} onTool  called when the tool has changed
   * @param {(event: PointerEvent) => void} onDrawn  called after a new box was drawn
   */
  constructor(surface, editor, onTool, onDrawn) {
    this.#surface = surface;
    this.#editor = editor;
    this.onTool = onTool;
    this.onDrawn = onDrawn;
    this.#size = Math.max(2, Math.round(Math.max(...editor.size) / 60));
    const { canvas, element } = surface;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    // Where the photo is dragged, they no longer come to the canvas.
    for (const type of ["pointerup", "pointercancel"]) element.addEventListener(type, (event) => this.#up(event));
    canvas.addEventListener("pointerleave", () => this.#show({ cursor: null }));
    canvas.addEventListener("dblclick", (event) => this.#tool !== "move" && event.stopPropagation());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    for (const type of ["change", "select"]) editor.addEventListener(type, () => this.#refresh());
  }

  get tool() {
    return this.#tool;
  }

  set tool(name) {
    this.#tool = name;
    this.#surface.canvas.dataset.tool = name;
    this.#show({ cursor: null, handles: name === "move" });
    this.#refresh();
    this.onTool();
  }

  /** The brush's radius, in pixels of the photo. */
  get size() {
    return this.#size;
  }

  set size(pixels) {
    this.#size = Math.max(1, Math.round(pixels));
    this.onTool();
  }

  /** Chooses the next point of the outline, or the one before. */
  stepPoint(by) {
    const points = (this.#outline.rings ?? []).flat();
    if (!points.length) return;
    const place = points.indexOf(this.#surface.sketch.chosen);
    this.#show({ chosen: points[(place + by + points.length) % points.length] });
  }

  get chosenPoint() {
    return this.#surface.sketch.chosen ?? null;
  }

  /** Moves the chosen point. */
  movePoint(dx, dy) {
    const chosen = this.chosenPoint;
    if (chosen) this.#reshape(chosen, [chosen[0] + dx, chosen[1] + dy]);
  }

  /** Takes the chosen point away. */
  removePoint() {
    const chosen = this.chosenPoint;
    const ring = this.#outline.rings?.find((points) => points.includes(chosen));
    if (!ring) return;
    const after = ring.length > 3 ? ring.filter((point) => point !== chosen) : [];
    this.#replaceRing(ring, after, null);
  }

  #down(event) {
    this.#pointers.add(event.pointerId);
    if (this.#pointers.size > 1) return this.#cancel();
    if (event.button) return;
    this.#gesture = this.#begin(event, this.#surface.place(event));
    if (this.#gesture && !this.#gesture.passes) this.#surface.canvas.setPointerCapture(event.pointerId);
  }

  #begin(event, point) {
    if (this.#tool === "move") return this.#beginMove(event, point);
    if (this.#tool === "box") return this.#beginBox(point);
    if (this.#tool === "points") return this.#beginPoint(event, point);
    return this.#beginBrush(point);
  }

  #move(event) {
    const point = this.#surface.place(event);
    if (this.#brushes && event.pointerType !== "touch") this.#show({ cursor: { point, radius: this.#size } });
    if (!this.#gesture) return;
    if (this.#gesture.passes) return;
    event.stopPropagation(); // The photo stays where it is.
    const all = event.getCoalescedEvents?.() ?? [];
    for (const each of all.length ? all : [event]) this.#gesture.move(this.#surface.place(each));
    this.#surface.draw();
  }

  #up(event) {
    this.#pointers.delete(event.pointerId);
    const gesture = this.#gesture;
    this.#gesture = null;
    if (!gesture) return;
    this.#show({ box: null, stroke: null });
    if (event.type === "pointerup") gesture.end(event);
    this.#refresh();
  }

  #cancel() {
    this.#gesture = null;
    this.#show({ box: null, stroke: null });
    this.#refresh();
  }

  /** Takes hold of a handle, or moves what is selected, or selects what is there. */
  #beginMove(event, start) {
    const { selected } = this.#editor;
    const handle = selected && this.#nearest(corners(selected.box), start, event);
    if (handle) {
      const resized = (to) => this.#resized(selected.box, SIDES[handle.index], to);
      return this.#dragBox(start, resized, (box) => this.#editor.resize(box));
    }
    if (!selected || this.#thingAt(start, selected) !== selected) return this.#selecting(event, start);
    const shifted = (to) => selected.box.map((value, i) => value + to[i % 2] - start[i % 2]);
    const gesture = this.#dragBox(start, shifted, (box) =>
      this.#editor.move(box[0] - selected.box[0], box[1] - selected.box[1]),
    );
    return { ...gesture, end: (up) => gesture.end(up) || this.#click(start, selected) };
  }

  /** A press that does not move selects what is there; one that moves takes the photo along, where it is enlarged. */
  #selecting({ clientX, clientY }, start) {
    const end = (event) => {
      if (distance([clientX, clientY], [event.clientX, event.clientY]) >= DRAG_PX) return;
      this.#editor.select(this.#thingAt(start, null)?.id ?? null);
    };
    return { passes: true, end };
  }

  /** A second click on one place goes to what lies beneath. */
  #click(point, selected) {
    const beneath = this.#thingsAt(point).filter(
      (thing) => area(thing.box) >= area(selected.box) && thing !== selected,
    );
    if (beneath.length) this.#editor.select(beneath[0].id);
  }

  /** Shows another box while it is dragged; `end` says whether it was. */
  #dragBox(start, boxAt, done) {
    let box = null;
    return {
      move: (to) => {
        if (!box && distance(start, to) * this.#surface.viewport.scale < DRAG_PX) return;
        box = boxAt(to);
        this.#show({ box });
      },
      end: (event) => {
        if (box) done(box, event);
        return Boolean(box);
      },
    };
  }

  #beginBox(start) {
    return this.#dragBox(
      start,
      (to) => this.#ordered([...start, ...to]),
      (box, event) => this.#draw(box, event),
    );
  }

  #draw(box, event) {
    if (box[2] - box[0] < MIN_SIDE || box[3] - box[1] < MIN_SIDE) return;
    this.#editor.draw(box);
    this.tool = "move";
    this.onDrawn(event);
  }

  #beginBrush(start) {
    if (!this.#editor.selected) {
      this.#editor.select(this.#thingAt(start, null)?.id ?? null);
      if (!this.#editor.selected) return null;
    }
    const stroke = { points: [start], radius: this.#size, value: this.#tool === "brush" ? 1 : 0 };
    this.#show({ stroke });
    return {
      move: (to) => stroke.points.push(to),
      end: () => this.#editor.brush(stroke.points, stroke.radius, stroke.value),
    };
  }

  /** Takes hold of a point of the outline, or makes one on it. */
  #beginPoint(event, start) {
    if (!this.#editor.selected) return this.#selecting(event, start);
    const all = (this.#outline.rings ?? []).flat();
    const near = this.#nearest(all, start, event);
    const chosen = near ? all[near.index] : this.#inserted(start, event);
    if (!chosen) return this.#selecting(event, start);
    const before = this.#outline.rings;
    let moved = chosen;
    this.#show({ chosen });
    return {
      move: (to) => {
        const after = before.map((ring) => ring.map((point) => (point === chosen ? to : point)));
        moved = to;
        this.#show({ rings: after, chosen: to });
      },
      end: () => moved !== chosen && this.#reshape(chosen, moved),
    };
  }

  /** A new point where an edge of the outline is; null where none is near. */
  #inserted(start, event) {
    const reach = this.#reach(event);
    for (const ring of this.#outline.rings ?? []) {
      const place = ring.findIndex((point, i) => fromLine(start, point, ring[(i + 1) % ring.length]) < reach);
      if (place < 0) continue;
      const point = [...start];
      const after = ring.toSpliced(place + 1, 0, point);
      this.#outline.rings = this.#outline.rings.map((other) => (other === ring ? after : other));
      this.#show({ rings: this.#outline.rings });
      return point;
    }
    return null;
  }

  #reshape(from, to) {
    const ring = this.#outline.rings.find((points) => points.includes(from));
    const inside = to.map((value, i) => Math.min(Math.max(value, 0), this.#editor.size[i]));
    this.#replaceRing(
      ring,
      ring.map((point) => (point === from ? inside : point)),
      inside,
    );
  }

  #replaceRing(ring, after, chosen) {
    const before = this.#outline.rings;
    const shown = before.map((other) => (other === ring ? after : other)).filter((points) => points.length);
    this.#editor.reshape(this.#editor.selected.mask ? before : [], shown);
    // The points stay as they are: outlined again, there would be others.
    if (this.#editor.selected) this.#outline = { mask: this.#editor.selected.mask, rings: shown };
    this.#show({ rings: shown, chosen });
  }

  /** Points follow what is selected. */
  #refresh() {
    const { selected } = this.#editor;
    if (this.#tool !== "points" || !selected) {
      this.#outline = { mask: null, rings: null };
      return this.#show({ rings: null, chosen: null });
    }
    const source = selected.mask ?? selected.box;
    if (this.#outline.mask === source) return this.#show({ rings: this.#outline.rings });
    this.#outline = { mask: source, rings: selected.mask ? this.#rings(selected.mask) : [boxRing(selected.box)] };
    this.#show({ rings: this.#outline.rings, chosen: null });
  }

  #rings(mask) {
    const extent = Math.sqrt(area(boundsOf(mask)));
    return rings(mask, Math.min(Math.max(1, Math.max(...this.#editor.size) / SCREEN), extent * SHARE));
  }

  #resized(box, sides, to) {
    const changed = [...box];
    for (const side of sides) changed[side] = to[side % 2];
    return this.#ordered(changed);
  }

  /** A box of any two corners, inside the photo and at least a pixel wide. */
  #ordered([xa, ya, xb, yb]) {
    const [width, height] = this.#editor.size;
    const [x1, x2] = [xa, xb].map((x) => Math.min(Math.max(x, 0), width)).sort((a, b) => a - b);
    const [y1, y2] = [ya, yb].map((y) => Math.min(Math.max(y, 0), height)).sort((a, b) => a - b);
    const [left, top] = [Math.min(x1, width - 1), Math.min(y1, height - 1)];
    return [left, top, Math.max(x2, left + 1), Math.max(y2, top + 1)];
  }

  #thingAt(point, selected) {
    const found = this.#thingsAt(point);
    return found.includes(selected) ? selected : found[0];
  }

  /** What is at a point, the smallest first; masks count before boxes. */
  #thingsAt([x, y]) {
    const inBox = ({ box: [x1, y1, x2, y2] }) => x >= x1 && x <= x2 && y >= y1 && y <= y2;
    const found = this.#editor.things.filter(inBox).sort((a, b) => area(a.box) - area(b.box));
    const inMask = found.filter(({ mask }) => mask && holds(mask, x, y));
    return [...inMask, ...found.filter((thing) => !inMask.includes(thing))];
  }

  /** The nearest of some points, where one is within reach. */
  #nearest(points, to, event) {
    const all = points.map((point, index) => ({ index, away: distance(point, to) })).sort((a, b) => a.away - b.away);
    return all.length && all[0].away <= this.#reach(event) ? all[0] : null;
  }

  #reach({ pointerType }) {
    return (REACH_PX[pointerType] ?? REACH_PX.mouse) / this.#surface.viewport.scale;
  }

  get #brushes() {
    return this.#tool === "brush" || this.#tool === "erase";
  }

  #show(changes) {
    Object.assign(this.#surface.sketch, changes);
    this.#surface.draw();
  }
}

const boxRing = ([x1, y1, x2, y2]) => [
  [x1, y1],
  [x2, y1],
  [x2, y2],
  [x1, y2],
];
