// Masks of a photo's size, kept as the rectangle that holds their pixels. None is ever changed: a change makes another.

/**
 * @typedef {object} Mask
 * @property {number} x  of the rectangle's upper left pixel in the photo
 * @property {number} y  the same
 * @property {number} width  of the rectangle
 * @property {number} height  the same
 * @property {Uint8Array} pixels  0 or 1, row by row
 */

const BITS = 5; // of a number in one character of COCO's encoding; the sixth means that the number goes on
const OFFSET = 48;
const encoded = new WeakMap();

/** The mask in COCO's compressed run-length encoding; null for one without pixels. */
export function decode({ size: [height], counts }) {
  const runs = filledRuns(counts);
  if (!runs.length) return null;
  let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
  for (const [start, end] of runs) {
    const [first, last] = [Math.floor(start / height), Math.floor((end - 1) / height)];
    [left, right] = [Math.min(left, first), Math.max(right, last)];
    top = first === last ? Math.min(top, start % height) : 0;
    bottom = first === last ? Math.max(bottom, (end - 1) % height) : height - 1;
  }
  const mask = blank([left, top, right + 1, bottom + 1]);
  for (const [start, end] of runs) {
    for (let place = start; place < end; place++) {
      const [column, row] = [Math.floor(place / height), place % height];
      mask.pixels[(row - top) * mask.width + column - left] = 1;
    }
  }
  encoded.set(mask, counts);
  return mask;
}

/** A mask in COCO's compressed run-length encoding. size: height and width of the photo. */
export function encode(mask, size) {
  if (!encoded.has(mask)) encoded.set(mask, packed(runLengths(mask, size)));
  return { size, counts: encoded.get(mask) };
}

/** x1 y1 x2 y2 around a mask's pixels. */
export const boundsOf = ({ x, y, width, height }) => [x, y, x + width, y + height];

export function holds(mask, px, py) {
  const [column, row] = [Math.floor(px) - mask.x, Math.floor(py) - mask.y];
  const inside = column >= 0 && row >= 0 && column < mask.width && row < mask.height;
  return inside && mask.pixels[row * mask.width + column] === 1;
}

/**
 * The mask after a stroke of a round brush; null where nothing is left.
 *
 * @param {Mask | null} mask
 * @param {number[][]} points  x y in pixels of the photo
 * @param {number} radius  the same
 * @param {0 | 1} value  what the brush leaves behind
 * @param {number[]} size  width and height of the photo
 */
export function painted(mask, points, radius, value, size) {
  const around = bounded(points, radius, size);
  const changed = onto(mask, value && mask ? union(boundsOf(mask), around) : mask ? boundsOf(mask) : around);
  for (const [cx, cy] of stamps(points, Math.max(0.5, radius / 4))) stamp(changed, cx, cy, radius, value);
  return trimmed(changed);
}

/** The mask with the pixels of some rings, filled by the even-odd rule, in place of those of others. */
export function reshaped(mask, before, after, size) {
  const box = bounded([...before, ...after].flat(), 1, size);
  const changed = onto(mask, mask ? union(boundsOf(mask), box) : box);
  const [was, is] = [filled(before, changed), filled(after, changed)];
  for (let i = 0; i < was.length; i++) if (was[i] !== is[i]) changed.pixels[i] = is[i];
  return trimmed(changed);
}

/** The mask moved by whole pixels; what leaves the photo is cut off. */
export function moved(mask, dx, dy, [width, height]) {
  return cropped({ ...mask, x: mask.x + dx, y: mask.y + dy }, [0, 0, width, height]);
}

/** The part of a mask that lies in a box; null where there is none. */
export function cropped(mask, [x1, y1, x2, y2]) {
  const box = [
    Math.max(mask.x, Math.floor(x1)),
    Math.max(mask.y, Math.floor(y1)),
    Math.min(mask.x + mask.width, Math.ceil(x2)),
    Math.min(mask.y + mask.height, Math.ceil(y2)),
  ];
  if (box[0] >= box[2] || box[1] >= box[3]) return null;
  return trimmed(onto(mask, box));
}

/** An empty mask of a rectangle of whole pixels. */
function blank([x1, y1, x2, y2]) {
  const [width, height] = [x2 - x1, y2 - y1];
  return { x: x1, y: y1, width, height, pixels: new Uint8Array(width * height) };
}

/** A copy of a mask's pixels, as far as they lie there, in a rectangle of whole pixels. */
function onto(mask, box) {
  const copy = blank(box);
  if (!mask) return copy;
  const [left, right] = [Math.max(mask.x, copy.x), Math.min(mask.x + mask.width, copy.x + copy.width)];
  for (let y = Math.max(mask.y, copy.y); y < Math.min(mask.y + mask.height, copy.y + copy.height); y++) {
    const start = (y - mask.y) * mask.width - mask.x;
    copy.pixels.set(mask.pixels.subarray(start + left, start + right), (y - copy.y) * copy.width + left - copy.x);
  }
  return copy;
}

/** The smallest rectangle that holds a mask's pixels; null where there are none. */
function trimmed(mask) {
  const { width, height, pixels } = mask;
  const first = pixels.indexOf(1);
  if (first < 0) return null;
  const [top, bottom] = [first, pixels.lastIndexOf(1)].map((place) => Math.floor(place / width));
  let [left, right] = [width, -1];
  for (let row = top; row <= bottom; row++) {
    const line = pixels.subarray(row * width, (row + 1) * width);
    const start = line.indexOf(1);
    if (start >= 0) [left, right] = [Math.min(left, start), Math.max(right, line.lastIndexOf(1))];
  }
  if (!left && !top && right === width - 1 && bottom === height - 1) return mask;
  return onto(mask, [mask.x + left, mask.y + top, mask.x + right + 1, mask.y + bottom + 1]);
}

function stamp({ x, y, width, height, pixels }, cx, cy, radius, value) {
  const [top, bottom] = [Math.max(0, Math.ceil(cy - radius - 0.5) - y), Math.min(height, cy + radius - y)];
  for (let row = top; row < bottom; row++) {
    const half = Math.sqrt(Math.max(0, radius ** 2 - (row + y + 0.5 - cy) ** 2));
    const [from, to] = [Math.ceil(cx - half - 0.5) - x, Math.ceil(cx + half - 0.5) - x];
    if (to > 0 && from < width) pixels.fill(value, row * width + Math.max(0, from), row * width + Math.min(width, to));
  }
}

/** Points along a line, no further apart than a step. */
function* stamps(points, step) {
  yield points[0];
  for (let i = 1; i < points.length; i++) {
    const [[x1, y1], [x2, y2]] = [points[i - 1], points[i]];
    const count = Math.ceil(Math.hypot(x2 - x1, y2 - y1) / step);
    for (let k = 1; k <= count; k++) yield [x1 + ((x2 - x1) * k) / count, y1 + ((y2 - y1) * k) / count];
  }
}

/** The pixels, of a mask's rectangle, whose middle an odd number of edges is left of. */
function filled(rings, { x, y, width, height }) {
  const turns = new Uint8Array((width + 1) * height);
  for (const ring of rings) {
    for (const [i, [x1, y1]] of ring.entries()) {
      const [x2, y2] = ring[(i + 1) % ring.length];
      const [low, high] = [Math.ceil(Math.min(y1, y2) - 0.5), Math.ceil(Math.max(y1, y2) - 0.5)];
      for (let row = Math.max(low, y); row < Math.min(high, y + height); row++) {
        const crossed = x1 + ((row + 0.5 - y1) * (x2 - x1)) / (y2 - y1);
        const column = Math.min(Math.max(Math.ceil(crossed - 0.5) - x, 0), width);
        turns[(row - y) * (width + 1) + column] ^= 1;
      }
    }
  }
  const pixels = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    let inside = 0;
    for (let column = 0; column < width; column++) {
      inside ^= turns[row * (width + 1) + column];
      pixels[row * width + column] = inside;
    }
  }
  return pixels;
}

/** The rectangle of whole pixels around points, inside the photo. */
function bounded(points, margin, [width, height]) {
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const low = (values, limit) => clamp(Math.floor(Math.min(...values) - margin), 0, limit - 1);
  const high = (values, limit) => clamp(Math.ceil(Math.max(...values) + margin), 1, limit);
  return [low(xs, width), low(ys, height), high(xs, width), high(ys, height)];
}

const union = (a, b) => [...[0, 1].map((i) => Math.min(a[i], b[i])), ...[2, 3].map((i) => Math.max(a[i], b[i]))];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** First and one past the last place, counted down the columns, of every run of ones. */
function filledRuns(counts) {
  const runs = [];
  const lengths = [];
  let end = 0;
  for (let i = 0; i < counts.length; ) {
    let [number, shift, code] = [0, 0, 0];
    do {
      code = counts.charCodeAt(i++) - OFFSET;
      number |= (code & 31) << shift;
      shift += BITS;
    } while (code & 32);
    if (code & 16) number |= -1 << shift;
    if (lengths.length > 2) number += lengths.at(-2);
    lengths.push(number);
    if (lengths.length % 2 === 0 && number > 0) runs.push([end, end + number]);
    end += number;
  }
  return runs;
}

/** The lengths of a mask's runs of 0 and 1 in turn, down the columns of the photo. */
function runLengths({ x, y, width, height, pixels }, [rows, columns]) {
  const lengths = [];
  let [value, end] = [0, 0];
  const turn = (place) => {
    lengths.push(place - end);
    end = place;
    value ^= 1;
  };
  for (let column = 0; column < width; column++) {
    const start = (x + column) * rows + y;
    for (let row = 0; row < height; row++) if (pixels[row * width + column] !== value) turn(start + row);
    if (value && height < rows) turn(start + height); // Where the columns are whole, the next one goes on.
  }
  if (value) turn((x + width) * rows);
  turn(rows * columns);
  return lengths.at(-1) ? lengths : lengths.slice(0, -1);
}

function packed(lengths) {
  let text = "";
  for (const [i, length] of lengths.entries()) {
    let rest = i > 2 ? length - lengths[i - 2] : length;
    let more = true;
    while (more) {
      let code = rest & 31;
      rest >>= BITS;
      more = code & 16 ? rest !== -1 : rest !== 0;
      if (more) code |= 32;
      text += String.fromCharCode(code + OFFSET);
    }
  }
  return text;
}
