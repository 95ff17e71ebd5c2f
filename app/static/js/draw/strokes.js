// Strokes: { points: [[x, y], ...], width } on a square sheet, x to the right and y down.

export const SIDE = 1000;
// Points nearer to the last one than this are left out: a twentieth of a pixel of what the program looks at.
const NEAREST = 2;

const within = (value) => Math.min(SIDE, Math.max(0, value));

/** Adds a point, inside the sheet, unless it is where the last one is. */
export function extend(stroke, x, y) {
  const point = [within(x), within(y)];
  const last = stroke.points.at(-1);
  if (last && Math.hypot(point[0] - last[0], point[1] - last[1]) < NEAREST) return false;
  stroke.points.push(point);
  return true;
}

export function countPoints(strokes) {
  return strokes.reduce((sum, { points }) => sum + points.length, 0);
}

/** As QuickDraw writes strokes, and the server reads them: [[x, ...], [y, ...]] each. */
export function columns(strokes) {
  const short = (value) => Math.round(10 * value) / 10;
  return strokes.map(({ points }) => [points.map(([x]) => short(x)), points.map(([, y]) => short(y))]);
}

/** SVG path data of a smooth line: curves from middle to middle, bent towards the points between. */
export function curve(points) {
  const [first, ...rest] = points;
  if (!rest.length) return `M${first}h.01`;
  const middle = (a, b) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const bends = rest.slice(0, -1).map((point, n) => `Q${point} ${middle(point, rest[n + 1])}`);
  return `M${first}${bends.join("")}L${rest.at(-1)}`;
}

/**
 * Fewer points on nearly the same line (Ramer, Douglas, Peucker): none left out is further from it than `most`, and
 * no gap is made that is wider than `gap`, beyond which the line would bend elsewhere.
 */
export function thin(points, most, gap = Infinity) {
  const kept = new Set([0, points.length - 1]);
  const open = [[0, points.length - 1]];
  while (open.length) {
    const [from, to] = open.pop();
    let furthest = 0;
    let distance = most;
    for (let n = from + 1; n < to; n++) {
      const away = offLine(points[n], points[from], points[to]);
      if (away > distance) [furthest, distance] = [n, away];
    }
    const wide = to - from > 1 && Math.hypot(...points[to].map((value, n) => value - points[from][n])) > gap;
    if (!furthest && wide) furthest = (from + to) >> 1;
    if (!furthest) continue;
    kept.add(furthest);
    open.push([from, furthest], [furthest, to]);
  }
  return points.filter((_, n) => kept.has(n));
}

function offLine([x, y], [x1, y1], [x2, y2]) {
  const length = (x2 - x1) ** 2 + (y2 - y1) ** 2;
  const along = length ? Math.min(1, Math.max(0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / length)) : 0;
  return Math.hypot(x - x1 - along * (x2 - x1), y - y1 - along * (y2 - y1));
}

/** The strokes with at most so many points in all, as true as that allows; the last ones go where nothing else helps. */
export function atMost(strokes, most) {
  let fewer = strokes;
  for (let off = 1; countPoints(fewer) > most && off < 64; off *= 2) {
    fewer = strokes.map((stroke) => ({ ...stroke, points: thin(stroke.points, off) }));
  }
  while (countPoints(fewer) > most) fewer = fewer.slice(0, -1);
  return fewer;
}
