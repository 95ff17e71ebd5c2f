// The drawing over the photo while it is corrected: masks, boxes, names, and handles of what is selected.

import { html } from "../dom.js";
import { sharpen } from "../sharpen.js";
import { Viewport } from "../viewport.js";
import { Zoom } from "../zoom.js";
import { zoomButtons } from "../zoom_buttons.js";

const MAX_TINT = 1024; // Pixels along a side of the picture of a mask.
const MASK_OPACITY = 0.38;
const REST_MS = 120;
const FONT_PX = 13;
const HANDLE_PX = 5;
const POINT_PX = 4;

export class Surface {
  #box;
  #photo;
  #canvas = html("canvas", { tabIndex: -1 });
  #element;
  #editor;
  #buttons;
  #restTimer = 0;
  #frame = 0;
  #tints = new WeakMap();

  /** What a tool shows: handles, and of a gesture a box, a stroke, points of rings, a cursor. */
  sketch = { handles: true };

  /**
   * @param {HTMLElement} box  holds the photo
   * @param {import("./editor.js").Editor} editor
   */
  constructor(box, editor) {
    this.#box = box;
    this.#photo = box.querySelector("#photo");
    this.#editor = editor;
    this.viewport = new Viewport(...editor.size);
    this.#canvas.setAttribute("aria-hidden", "true"); // The list beside it says and does the same.
    this.#element = html("div", { className: "drawing editing" }, this.#canvas);
    this.zoom = new Zoom(this.#element, this.viewport, () => this.#moved());
    this.#buttons = zoomButtons(this.zoom);
    box.append(this.#element, this.#buttons.element);
    new ResizeObserver(() => this.#resized()).observe(this.#element);
    for (const type of ["change", "select"]) editor.addEventListener(type, () => this.draw());
    document.fonts.ready.then(() => this.draw());
  }

  /** Holds what is pointed at, and has the pointers that drag the photo. */
  get element() {
    return this.#element;
  }

  /** What is pointed at. */
  get canvas() {
    return this.#canvas;
  }

  /** Where in the photo an event is. */
  place({ clientX, clientY }) {
    const { left, top } = this.#canvas.getBoundingClientRect();
    return this.viewport.toPhoto([clientX - left, clientY - top]);
  }

  /** Draws everything with the next frame. */
  draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
    });
  }

  #paint() {
    const context = this.#canvas.getContext("2d");
    const { selected, things } = this.#editor;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    const largestFirst = [...things].sort((a, b) => area(b.box) - area(a.box));
    for (const thing of largestFirst) this.#paintThing(context, thing, selected);
    for (const thing of largestFirst) if (thing === selected || !selected) this.#paintName(context, thing);
    if (selected && this.sketch.handles) for (const corner of corners(selected.box)) this.#paintHandle(context, corner);
    this.#paintSketch(context);
  }

  #paintThing(context, thing, selected) {
    const colour = this.#editor.colourOf(thing.name);
    const dimmed = selected && thing !== selected;
    context.globalAlpha = dimmed ? 0.5 : 1;
    if (thing.mask) this.#paintMask(context, thing.mask, colour);
    context.lineWidth = thing === selected ? 3 : 2;
    context.strokeStyle = colour;
    context.setLineDash(thing.accepted ? [] : [7, 5]); // What nobody has looked at yet.
    context.strokeRect(...this.#rectangle(thing.box));
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  #paintMask(context, mask, colour) {
    const [x, y] = this.viewport.toStage([mask.x, mask.y]);
    const { scale } = this.viewport;
    const { globalAlpha } = context;
    context.globalAlpha = globalAlpha * MASK_OPACITY;
    context.imageSmoothingEnabled = scale < 2;
    context.drawImage(this.#tint(mask, colour), x, y, mask.width * scale, mask.height * scale);
    context.globalAlpha = globalAlpha;
  }

  /** A mask as a picture in a colour, no larger than a screen can show. */
  #tint(mask, colour) {
    const known = this.#tints.get(mask);
    if (known?.colour === colour) return known.picture;
    const step = Math.ceil(Math.max(mask.width, mask.height) / MAX_TINT);
    const [width, height] = [mask.width, mask.height].map((side) => Math.ceil(side / step));
    const picture = Object.assign(document.createElement("canvas"), { width, height });
    const context = picture.getContext("2d");
    const image = context.createImageData(width, height);
    const rgb = [1, 3, 5].map((start) => Number.parseInt(colour.slice(start, start + 2), 16));
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        if (!mask.pixels[row * step * mask.width + column * step]) continue;
        image.data.set([...rgb, 255], 4 * (row * width + column));
      }
    }
    context.putImageData(image, 0, 0);
    this.#tints.set(mask, { colour, picture });
    return picture;
  }

  #paintName(context, thing) {
    const [x, y] = this.#rectangle(thing.box);
    context.font = `600 ${FONT_PX}px Inter, system-ui, sans-serif`;
    const width = context.measureText(thing.name).width + 12;
    const [left, top] = [Math.max(0, x - 1), Math.max(0, y - FONT_PX - 9)];
    context.fillStyle = "rgb(16 18 20 / 85%)";
    context.fillRect(left, top, width, FONT_PX + 8);
    context.fillStyle = this.#editor.colourOf(thing.name);
    context.fillRect(left, top, 3, FONT_PX + 8);
    context.fillStyle = "#fff";
    context.fillText(thing.name, left + 7, top + FONT_PX + 1);
  }

  #paintHandle(context, corner) {
    const [x, y] = this.viewport.toStage(corner);
    context.fillStyle = "#fff";
    context.strokeStyle = "#101214";
    context.lineWidth = 1.5;
    context.fillRect(x - HANDLE_PX, y - HANDLE_PX, 2 * HANDLE_PX, 2 * HANDLE_PX);
    context.strokeRect(x - HANDLE_PX, y - HANDLE_PX, 2 * HANDLE_PX, 2 * HANDLE_PX);
  }

  #paintSketch(context) {
    const { box, stroke, rings, chosen, cursor } = this.sketch;
    if (box) outlined(context, () => context.strokeRect(...this.#rectangle(box)));
    if (stroke) this.#paintStroke(context, stroke);
    if (rings) this.#paintRings(context, rings, chosen);
    if (cursor) {
      const [x, y] = this.viewport.toStage(cursor.point);
      outlined(context, () => {
        context.beginPath();
        context.arc(x, y, cursor.radius * this.viewport.scale, 0, 2 * Math.PI);
        context.stroke();
      });
    }
  }

  #paintStroke(context, { points, radius, value }) {
    const { selected } = this.#editor;
    const path = new Path2D();
    for (const point of points.length > 1 ? points : [points[0], points[0]])
      path.lineTo(...this.viewport.toStage(point));
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = 2 * radius * this.viewport.scale;
    context.strokeStyle = value ? this.#editor.colourOf(selected.name) : "#fff";
    context.globalAlpha = MASK_OPACITY;
    context.stroke(path);
    context.globalAlpha = 1;
  }

  #paintRings(context, rings, chosen) {
    for (const ring of rings) {
      outlined(context, () => {
        context.beginPath();
        for (const point of ring) context.lineTo(...this.viewport.toStage(point));
        context.closePath();
        context.stroke();
      });
      for (const point of ring) {
        const [x, y] = this.viewport.toStage(point);
        context.fillStyle = point === chosen ? "#1861d6" : "#fff";
        context.beginPath();
        context.arc(x, y, point === chosen ? POINT_PX + 2 : POINT_PX, 0, 2 * Math.PI);
        context.fill();
        context.strokeStyle = "#101214";
        context.lineWidth = 1.5;
        context.stroke();
      }
    }
  }

  /** A box as x, y, width and height on the stage. */
  #rectangle([x1, y1, x2, y2]) {
    const [left, top] = this.viewport.toStage([x1, y1]);
    return [left, top, (x2 - x1) * this.viewport.scale, (y2 - y1) * this.viewport.scale];
  }

  #resized() {
    const { clientWidth, clientHeight } = this.#element;
    this.#canvas.width = clientWidth * devicePixelRatio;
    this.#canvas.height = clientHeight * devicePixelRatio;
    this.viewport.resize(clientWidth, clientHeight);
    this.#moved();
  }

  #moved() {
    const { zoom, x, y } = this.viewport.transform;
    this.#photo.style.transform = `translate(${x}px, ${y}px) scale(${zoom})`;
    this.#box.classList.toggle("zoomed", zoom > 1);
    this.#buttons.update(this.viewport);
    this.draw();
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => sharpen(this.#photo, this.viewport), REST_MS);
  }
}

/** The corners and the middles of the sides of a box, clockwise from the upper left corner. */
export function corners([x1, y1, x2, y2]) {
  const [x, y] = [(x1 + x2) / 2, (y1 + y2) / 2];
  return [
    [x1, y1],
    [x, y1],
    [x2, y1],
    [x2, y],
    [x2, y2],
    [x, y2],
    [x1, y2],
    [x1, y],
  ];
}

export const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);

/** A line that is seen on every photo: white on black. */
function outlined(context, stroke) {
  for (const [colour, width] of [
    ["#101214", 4],
    ["#fff", 2],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    stroke();
  }
}
