// The sheet on the screen, sharp on every display, and the drawing as a picture to save.

import { curve, SIDE } from "./strokes.js";

// The saved picture is dark on white, whatever the page's colours are.
const PICTURE_SIDE = 1024;
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
  #current = null;
  #frame = 0;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    new ResizeObserver(() => this.#resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#paintFinished());
    this.#watchDensity();
    this.#resize();
  }

  /** Shows finished strokes and the one that is being drawn. */
  show(strokes, current = null) {
    this.#current = current;
    if (strokes !== this.#strokes) {
      this.#strokes = strokes;
      this.#paintFinished();
    }
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #resize() {
    const side = Math.max(1, Math.round(this.#canvas.clientWidth * devicePixelRatio));
    if (this.#canvas.width === side && this.#canvas.height === side) return;
    for (const canvas of [this.#canvas, this.#finished]) {
      canvas.width = side;
      canvas.height = side;
    }
    this.#paintFinished();
    this.#draw();
  }

  /** The pixel density changes when a window moves to another screen, or is zoomed. */
  #watchDensity() {
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener(
      "change",
      () => {
        this.#watchDensity();
        this.#resize();
      },
      { once: true },
    );
  }

  /** Paints the finished strokes, once for all frames, so that long drawings stay fast. */
  #paintFinished() {
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
    if (this.#current) paint(context, [this.#current], this.#colour);
  }

  get #colour() {
    return getComputedStyle(this.#canvas).color;
  }
}

/** The drawing as a PNG. */
export function picture(strokes) {
  const canvas = document.createElement("canvas");
  canvas.width = PICTURE_SIDE;
  canvas.height = PICTURE_SIDE;
  const context = canvas.getContext("2d");
  context.fillStyle = WHITE;
  context.fillRect(0, 0, PICTURE_SIDE, PICTURE_SIDE);
  context.scale(PICTURE_SIDE / SIDE, PICTURE_SIDE / SIDE);
  paint(context, strokes, INK);
  return new Promise((resolve) => {
    canvas.toBlob(resolve, "image/png");
  });
}
