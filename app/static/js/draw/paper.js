// The sheet on the screen, sharp on every display, and the same sheet as a picture to keep.

import { curve, SIDE } from "./strokes.js";

// Of the picture to keep: dark on white, whatever the page's colours are.
const PICTURE = 1024;
const WHITE = "#ffffff";
const INK = "#1b1d1f";

function paint(context, strokes, colour) {
  context.strokeStyle = colour;
  context.lineCap = "round";
  context.lineJoin = "round";
  for (const { points, width } of strokes) {
    context.lineWidth = width;
    context.stroke(new Path2D(curve(points)));
  }
}

export class Paper {
  #canvas;
  #context;
  #finished = document.createElement("canvas");
  #strokes = [];
  #live = null;
  #frame = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#finish());
    this.#watchDensity();
    this.#fit();
  }

  /** Shows finished strokes and the one that is being drawn. */
  show(strokes, live = null) {
    this.#live = live;
    if (strokes !== this.#strokes) {
      this.#strokes = strokes;
      this.#finish();
    }
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  /** Pixels that the sheet has now. */
  get pixels() {
    return this.#canvas.width;
  }

  #fit() {
    const side = Math.max(1, Math.round(this.#canvas.clientWidth * devicePixelRatio));
    if (this.#canvas.width === side && this.#canvas.height === side) return;
    for (const canvas of [this.#canvas, this.#finished]) {
      canvas.width = side;
      canvas.height = side;
    }
    this.#finish();
    this.#draw();
  }

  /** The density changes when a window moves to another screen, or is zoomed. */
  #watchDensity() {
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener(
      "change",
      () => {
        this.#watchDensity();
        this.#fit();
      },
      { once: true },
    );
  }

  /** Finished strokes are painted once, so that long drawings stay quick. */
  #finish() {
    const context = this.#finished.getContext("2d");
    const scale = this.#finished.width / SIDE;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#finished.width, this.#finished.height);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    paint(context, this.#strokes, this.#colour);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    const context = this.#context;
    const scale = this.#canvas.width / SIDE;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    context.drawImage(this.#finished, 0, 0);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    if (this.#live) paint(context, [this.#live], this.#colour);
  }

  get #colour() {
    return getComputedStyle(this.#canvas).color;
  }
}

/** The drawing as a PNG. */
export function picture(strokes) {
  const canvas = document.createElement("canvas");
  canvas.width = PICTURE;
  canvas.height = PICTURE;
  const context = canvas.getContext("2d");
  context.fillStyle = WHITE;
  context.fillRect(0, 0, PICTURE, PICTURE);
  context.scale(PICTURE / SIDE, PICTURE / SIDE);
  paint(context, strokes, INK);
  return new Promise((resolve) => {
    canvas.toBlob(resolve, "image/png");
  });
}
