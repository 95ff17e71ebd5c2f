// Strokes: { points: [[x, y], ...], width } on a square sheet, x to the right and y down.

export const SIDE = 1000;
// Points nearer to the last one are left out: a twentieth of a pixel of what the program looks at.
const MIN_DISTANCE = 2;

const within = (value) => Math.min(SIDE, Math.max(0, value));

/** Adds a point, moved inside the sheet; false where the last one is too near. */
export function extend(stroke, x, y) {
  const point = [within(x), within(y)];
  const last = stroke.points.at(-1);
  if (last && Math.hypot(point[0] - last[0], point[1] - last[1]) < MIN_DISTANCE) return false;
  stroke.points.push(point);
  return true;
}

export function countPoints(strokes) {
  return strokes.reduce((sum, { points }) => sum + points.length, 0);
}

/** Strokes as QuickDraw writes and the server reads them: [[x, ...], [y, ...]] each. */
export function columns(strokes) {
  const rounded = (value) => Math.round(10 * value) / 10;
  return strokes.map(({ points }) => [points.map(([x]) => rounded(x)), points.map(([, y]) => rounded(y))]);
}

/** SVG path data of a smooth line: curves from midpoint to midpoint, bent towards the points between. */
export function curve(points) {
  const [first, ...rest] = points;
  if (!rest.length) return `M${first}h.01`;
  const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const bends = rest.slice(0, -1).map((point, n) => `Q${point} ${middle(point, rest[n + 1])}`);
  return `M${first}${bends.join("")}L${rest.at(-1)}`;
}

/**
 * Fewer points on nearly the same line (Ramer, Douglas, Peucker).
 *
 * @param {number[][]} points
 * @param {number} tolerance  the largest distance of a point left out from the line
 * @param {number} maxGap  the largest distance between two points kept, since a curve over a wider gap would bend away
 */
export function thin(points, tolerance, maxGap = Infinity) {
  const kept = new Set([0, points.length - 1]);
  const open = [[0, points.length - 1]];
  while (open.length) {
    const [from, to] = open.pop();
    let furthest = 0;
    let distance = tolerance;
    for (let n = from + 1; n < to; n++) {
      const off = distanceToLine(points[n], points[from], points[to]);
      if (off > distance) [furthest, distance] = [n, off];
    }
    const wide = to - from > 1 && Math.hypot(...points[to].map((value, n) => value - points[from][n])) > maxGap;
    if (!furthest && wide) furthest = (from + to) >> 1;
    if (!furthest) continue;
    kept.add(furthest);
    open.push([from, furthest], [furthest, to]);
  }
  return points.filter((_, n) => kept.has(n));
}

function distanceToLine([x, y], [x1, y1], [x2, y2]) {
  const length = (x2 - x1) ** 2 + (y2 - y1) ** 2;
  const along = length ? Math.min(1, Math.max(0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length)) : 0;
  return Math.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1));
}

/** The strokes with at most so many points in all: thinned first, then without the last strokes. */
export function limitPoints(strokes, maxPoints) {
  let fewer = strokes;
  for (let tolerance = 1; countPoints(fewer) > maxPoints && tolerance < 64; tolerance *= 2) {
    fewer = strokes.map((stroke) => ({ ...stroke, points: thin(stroke.points, tolerance) }));
  }
  while (countPoints(fewer) > maxPoints) fewer = fewer.slice(0, -1);
  return fewer;
}
