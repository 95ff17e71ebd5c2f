// Where tags go: the rules of the rendered file (app/vision/render/labels_layout.py), at the size of the screen.

const COVERS_TAG = 100,
  TOUCHES_TAG = 8,
  COVERS_OBJECT = 4,
  COVERS_ITSELF = 6,
  PER_RANK = 0.12;
const RINGS = [0, 0.5, 1.2, 2, 3, 4.5, 6.5, 9];
const DIRECTIONS = 16;
const TOO_MUCH = 0.15;
const FAR = 0.4;

/**
 * @param {number[][]} boxes  of the objects, the most important first
 * @param {number[][]} sizes  [width, height] of each tag
 * @param {number[]} frame  [width, height] of the picture
 * @param {number[][]} taken  rectangles to stay off
 * @returns {({x: number, y: number, leader: number[] | null} | null)[]}
 */
export function place(boxes, sizes, [width, height], taken) {
  const placed = [...taken];
  return boxes.map((box, i) => {
    const [w, h] = sizes[i];
    if (w > width || h > height) return null;
    const others = boxes.filter((_, j) => j !== i);
    let best = null;
    let rank = 0;
    for (const [x, y] of candidates(box, w, h, width, height)) {
      const cost = judge([x, y, x + w, y + h], box, others, placed, rank++);
      if (!best || cost.total < best.total) best = { ...cost, x, y };
    }
    if (best.covered > TOO_MUCH) return null;
    const rect = [best.x, best.y, best.x + w, best.y + h];
    placed.push(rect);
    return { x: best.x, y: best.y, leader: best.gap > FAR ? nearest(rect, box) : null };
  });
}

function judge(rect, box, others, placed, rank) {
  const size = (rect[2] - rect[0]) * (rect[3] - rect[1]);
  const covered = placed.reduce((sum, other) => sum + overlap(rect, other), 0) / size;
  const gap =
    Math.hypot(Math.max(rect[0] - box[2], box[0] - rect[2], 0), Math.max(rect[1] - box[3], box[1] - rect[3], 0)) /
    (rect[3] - rect[1]);
  let total = COVERS_TAG * covered + (covered > 0 ? TOUCHES_TAG : 0) + gap + PER_RANK * rank;
  total += COVERS_OBJECT * others.reduce((most, other) => Math.max(most, share(rect, other)), 0);
  total += COVERS_ITSELF * share(rect, box);
  return { total, covered, gap };
}

function candidates([x1, y1, x2, y2], w, h, width, height) {
  const middle = (x1 + x2 - w) / 2;
  const near = [
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
      const longest = Math.max(Math.abs(Math.cos(angle)), Math.abs(Math.sin(angle)));
      near.push([
        centre[0] + (Math.cos(angle) / longest) * (reach[0] + ring * h),
        centre[1] + (Math.sin(angle) / longest) * (reach[1] + ring * h),
      ]);
    }
  }
  return near.map(([x, y]) => [clamp(x, 0, width - w), clamp(y, 0, height - h)]);
}

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

function overlap(one, other) {
  const w = Math.min(one[2], other[2]) - Math.max(one[0], other[0]);
  const h = Math.min(one[3], other[3]) - Math.max(one[1], other[1]);
  return w > 0 && h > 0 ? w * h : 0;
}

const share = (rect, box) => overlap(rect, box) / (Math.max(1, box[2] - box[0]) * Math.max(1, box[3] - box[1]));

function nearest(rect, box) {
  return [clamp((rect[0] + rect[2]) / 2, box[0], box[2]), clamp((rect[1] + rect[3]) / 2, box[1], box[3])];
}
