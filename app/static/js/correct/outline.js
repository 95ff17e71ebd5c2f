// Outlines of masks as rings of points, so few that each can be taken hold of.

/**
 * The outlines and holes of a mask: closed rings of [x, y] in pixels of the photo, along the edges of the pixels,
 * simplified to a tolerance in pixels.
 */
export function rings(mask, tolerance) {
  return traced(mask)
    .map((ring) => simplified(ring, tolerance))
    .filter((ring) => ring.length > 2);
}

/** Every ring, with the mask on its right-hand side. */
function traced({ x, y, width, height, pixels }) {
  const corner = (column, row) => row * (width + 1) + column;
  const edges = new Map();
  const add = (from, to) => edges.set(from, [...(edges.get(from) ?? []), to]);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const i = row * width + column;
      if (!pixels[i]) continue;
      if (!row || !pixels[i - width]) add(corner(column, row), corner(column + 1, row));
      if (column === width - 1 || !pixels[i + 1]) add(corner(column + 1, row), corner(column + 1, row + 1));
      if (row === height - 1 || !pixels[i + width]) add(corner(column + 1, row + 1), corner(column, row + 1));
      if (!column || !pixels[i - 1]) add(corner(column, row + 1), corner(column, row));
    }
  }
  const place = (key) => [x + (key % (width + 1)), y + Math.floor(key / (width + 1))];
  const found = [];
  for (const [start, ends] of edges) {
    while (ends.length) {
      const ring = [place(start)];
      for (let key = ends.pop(); key !== start; key = edges.get(key).pop()) ring.push(place(key));
      found.push(ring);
    }
  }
  return found;
}

/** Douglas and Peucker's method, on a ring: its two points that are far apart stay. */
function simplified(ring, tolerance) {
  const far = ring.reduce((best, point, i) => (distance(point, ring[0]) > distance(ring[best], ring[0]) ? i : best), 0);
  const halves = [ring.slice(0, far + 1), [...ring.slice(far), ring[0]]];
  return halves.flatMap((half) => line(half, tolerance).slice(0, -1));
}

function line(points, tolerance) {
  const [first, last] = [points[0], points.at(-1)];
  let [index, furthest] = [0, 0];
  for (let i = 1; i < points.length - 1; i++) {
    const away = fromLine(points[i], first, last);
    if (away > furthest) [index, furthest] = [i, away];
  }
  if (furthest <= tolerance) return points.length > 1 ? [first, last] : [first];
  return [...line(points.slice(0, index + 1), tolerance).slice(0, -1), ...line(points.slice(index), tolerance)];
}

/** How far a point is from a line between two others. */
export function fromLine([x, y], [x1, y1], [x2, y2]) {
  const square = (x2 - x1) ** 2 + (y2 - y1) ** 2;
  const share = square ? Math.min(1, Math.max(0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / square)) : 0;
  return Math.hypot(x - x1 - share * (x2 - x1), y - y1 - share * (y2 - y1));
}

export const distance = ([x1, y1], [x2, y2]) => Math.hypot(x2 - x1, y2 - y1);
