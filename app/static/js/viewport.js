// Where the photo lies on the stage: the one place that turns points of the stage into points of the photo and back.
// Lengths are in pixels of the screen on the stage, counted from its upper left corner, and in pixels of the photo on
// the photo.

const MAX_SCALE = 8; // Screen pixels for one of the photo; a small photo may be enlarged four times at least.
const MIN_RANGE = 4;
const MARGIN = 0.15; // Around what is brought into view, as a share of the stage.
const MAX_SHOWN = 3; // Enlargement at which one thing is shown.

/**
 * @typedef {object} Placement
 * @property {number} zoom  1 where the whole photo fits the stage
 * @property {number} x  of the photo's upper left corner on the stage
 * @property {number} y  the same
 */

export class Viewport {
  #photo;
  #stage = [1, 1];
  #placement = FITTING;

  /** @param {number} width  of the photo  @param {number} height  of the photo */
  constructor(width, height) {
    this.#photo = [width, height];
    this.resize(width, height);
  }

  /** The stage has another size: what was in its middle stays there. */
  resize(width, height) {
    const middle = this.toPhoto([this.#stage[0] / 2, this.#stage[1] / 2]);
    this.#stage = [Math.max(1, width), Math.max(1, height)];
    this.placement = this.#centredOn(middle, this.zoom);
  }

  get zoom() {
    return this.#placement.zoom;
  }

  /** Screen pixels for each of the photo. */
  get scale() {
    return this.#fit * this.zoom;
  }

  /** The longest side of the photo. */
  get longest() {
    return Math.max(...this.#photo);
  }

  get maxZoom() {
    return Math.max(MIN_RANGE, MAX_SCALE / this.#fit);
  }

  /** @returns {Placement} */
  get placement() {
    return this.#placement;
  }

  /** Moves the photo; the stage stays covered as far as the photo reaches, and the rest is shared by both sides. */
  set placement({ zoom, x, y }) {
    const allowed = clamp(zoom, 1, this.maxZoom);
    const scale = this.#fit * allowed;
    const [left, top] = [x, y].map((start, i) => {
      const room = this.#stage[i] - this.#photo[i] * scale;
      return room >= 0 ? room / 2 : clamp(start, room, 0);
    });
    this.#placement = { zoom: allowed, x: left, y: top };
  }

  toPhoto([x, y]) {
    const { x: left, y: top } = this.#placement;
    return [(x - left) / this.scale, (y - top) / this.scale];
  }

  toStage([x, y]) {
    const { x: left, y: top } = this.#placement;
    return [left + x * this.scale, top + y * this.scale];
  }

  /** The stage in pixels of the photo: x, y, width and height. It may reach beyond the photo. */
  get viewBox() {
    return [...this.toPhoto([0, 0]), this.#stage[0] / this.scale, this.#stage[1] / this.scale];
  }

  /** The part of the photo that is seen: x1 y1 x2 y2. */
  get seen() {
    const ends = [this.toPhoto([0, 0]), this.toPhoto(this.#stage)];
    return ends.flatMap((point) => point.map((value, i) => clamp(value, 0, this.#photo[i])));
  }

  /** What is drawn as the whole photo's place at zoom 1, moved and enlarged from the stage's upper left corner. */
  get transform() {
    const { zoom, x, y } = this.#placement;
    const [left, top] = this.#photo.map((side, i) => (this.#stage[i] - side * this.#fit) / 2);
    return { zoom, x: x - left * zoom, y: y - top * zoom };
  }

  moveBy(dx, dy) {
    const { zoom, x, y } = this.#placement;
    this.placement = { zoom, x: x + dx, y: y + dy };
  }

  /** Enlarges by a factor; the point of the photo under a point of the stage stays there as far as it can. */
  zoomBy(factor, point) {
    this.placement = this.zoomedTo(this.zoom * factor, point);
  }

  /** The placement at another zoom. @returns {Placement} */
  zoomedTo(zoom, [px, py]) {
    const allowed = clamp(zoom, 1, this.maxZoom);
    const factor = allowed / this.zoom;
    const { x, y } = this.#placement;
    return { zoom: allowed, x: px - (px - x) * factor, y: py - (py - y) * factor };
  }

  /**
   * The placement that shows a box of the photo with something around it, enlarged no more than `most`.
   * @returns {Placement}
   */
  showing([x1, y1, x2, y2], most = MAX_SHOWN) {
    const room = Math.min(this.#stage[0] / Math.max(1, x2 - x1), this.#stage[1] / Math.max(1, y2 - y1));
    const zoom = clamp(((1 - 2 * MARGIN) * room) / this.#fit, 1, Math.min(most, this.maxZoom));
    return this.#centredOn([(x1 + x2) / 2, (y1 + y2) / 2], zoom);
  }

  /** Whether a box of the photo is seen as a whole. */
  contains([x1, y1, x2, y2]) {
    const [left, top, right, bottom] = this.seen;
    const [width, height] = this.#photo;
    return x1 >= left - 1 && y1 >= top - 1 && Math.min(x2, width) <= right + 1 && Math.min(y2, height) <= bottom + 1;
  }

  #centredOn([x, y], zoom) {
    const scale = this.#fit * zoom;
    return { zoom, x: this.#stage[0] / 2 - x * scale, y: this.#stage[1] / 2 - y * scale };
  }

  get #fit() {
    return Math.min(this.#stage[0] / this.#photo[0], this.#stage[1] / this.#photo[1]);
  }
}

/** @type {Placement} where the whole photo is seen */
export const FITTING = { zoom: 1, x: 0, y: 0 };

/** The placement a share of the way from one to another: around the point that both have at the same place. */
export function between(from, to, share) {
  const ratio = to.zoom / from.zoom;
  const zoom = from.zoom * ratio ** share;
  const way = Math.abs(ratio - 1) < 1e-6 ? share : (zoom - from.zoom) / (to.zoom - from.zoom);
  return { zoom, x: from.x + (to.x - from.x) * way, y: from.y + (to.y - from.y) * way };
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
