// Where tags go: the rules of the rendered file, app/vision/render/labels_layout.py, step by step.
// tests/vectors/labels_layout.json holds the two together.

const COVERS_TAG = 100;
const TOUCHES_TAG = 8;
const COVERS_OBJECT = 4;
const COVERS_ITSELF = 6;
const PER_RANK = 0.12;
const SAME_COST = 1e-9;
const RINGS = [0, 0.5, 1.2, 2, 3, 4.5, 6.5, 9];
const DIRECTIONS = 16;
const PADDING = 0.06;
const MAX_COVERED = 0.15;
const FAR = 0.4;

/**
 * Finds places for tags. All numbers are in pixels of the picture as it is shown; rectangles are x1 y1 x2 y2.
 *
 * @param {number[][]} boxes  of the instances, the most important first
 * @param {number[][]} tags  [width, height] of each tag, whole numbers
 * @param {number[]} size  [width, height] of the picture, whole numbers
 * @param {number[][]} taken  rectangles that tags stay off
 * @returns {({x: number, y: number, leader: number[] | null} | null)[]}  upper left corners, and the points of the
 *   boxes that leader lines go to; null for a tag that does not fit, or that could not be read where it would be
 */
export function place(boxes, tags, [width, height], taken = []) {
  const clipped = boxes.map((box) => box.map((value, i) => clamp(value, 0, i % 2 ? height : width)));
  const placed = [...taken];
  return clipped.map((box, i) => {
    const [w, h] = tags[i];
    if (w > width || h > height) return null;
    const others = clipped.slice(0, i); // So that none moves when less important ones come and go.
    const rectangles = candidates(box, w, h, width, height).map(([x, y]) => [x, y, x + w, y + h]);
    const judged = rectangles.map((rectangle, rank) => judge(rectangle, box, others, placed, rank));
    const lowest = Math.min(...judged.map(({ cost }) => cost));
    const best = judged.findIndex(({ cost }) => cost <= lowest + SAME_COST);
    const { covered, gap } = judged[best];
    if (covered > MAX_COVERED) return null;
    const [x1, y1, x2, y2] = rectangles[best];
    const padding = Math.max(1, round(PADDING * h));
    placed.push([x1 - padding, y1 - padding, x2 + padding, y2 + padding]);
    return { x: x1, y: y1, leader: gap > FAR ? nearest(rectangles[best], box) : null };
  });
}

function judge(rectangle, box, others, placed, rank) {
  const [x1, y1, x2, y2] = rectangle;
  const [w, h] = [x2 - x1, y2 - y1];
  const covered = placed.reduce((sum, other) => sum + overlap(rectangle, other), 0) / (w * h);
  const apart = [Math.max(x1 - box[2], box[0] - x2, 0), Math.max(y1 - box[3], box[1] - y2, 0)];
  const gap = Math.hypot(...apart) / h;
  let cost = COVERS_TAG * covered + TOUCHES_TAG * (covered > 0) + gap + PER_RANK * rank;
  cost += COVERS_OBJECT * others.reduce((most, other) => Math.max(most, share(rectangle, other)), 0);
  cost += COVERS_ITSELF * share(rectangle, box);
  return { cost, covered, gap };
}

/** Upper left corners, whole numbers, the ones that look best first, all inside the picture. */
function candidates([x1, y1, x2, y2], w, h, width, height) {
  const middle = (x1 + x2 - w) / 2;
  const corners = [
    [x1, y1 - h],
    [x1, y1],
    [x2 - w, y1 - h],
    [middle, y1 - h],
    [x1, y2],
    [x2 - w, y1],
    [x2 - w, y2],
    [middle, y2],
    [x1, y2 - h],
    [x2 - w, y2 - h],
    [x1 - w, y1],
    [x2, y1],
  ];
  const centre = [(x1 + x2 - w) / 2, (y1 + y2 - h) / 2];
  const reach = [(x2 - x1 + w) / 2, (y2 - y1 + h) / 2];
  for (const ring of RINGS) {
    for (let k = 0; k < DIRECTIONS; k++) {
      const angle = (2 * Math.PI * (k + 0.5)) / DIRECTIONS;
      const direction = [Math.cos(angle), Math.sin(angle)];
      const longest = Math.max(Math.abs(direction[0]), Math.abs(direction[1]));
      corners.push(centre.map((value, i) => value + (direction[i] / longest) * (reach[i] + ring * h)));
    }
  }
  return corners.map(([x, y]) => [clamp(round(x), 0, width - w), clamp(round(y), 0, height - h)]);
}

/** The area that two rectangles share. */
function overlap(one, other) {
  const w = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const h = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  return w > 0 && h > 0 ? w * h : 0;
}

/** The share of a box that a rectangle covers. */
function share(rectangle, box) {
  return overlap(rectangle, box) / (Math.max(1, box[2] - box[0]) * Math.max(1, box[3] - box[1]));
}

/** The point of a box that is nearest to the middle of a rectangle. */
function nearest([x1, y1, x2, y2], box) {
  return [round(clamp((x1 + x2) / 2, box[0], box[2])), round(clamp((y1 + y2) / 2, box[1], box[3]))];
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** To whole numbers, halves to the even one, as NumPy rounds. */
function round(value) {
  const up = Math.round(value);
  return up - value === 0.5 && up % 2 ? up - 1 : up;
}
