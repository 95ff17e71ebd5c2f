// A drawing as the hash of an address: the link itself holds it, and the server keeps nothing.
//
// Bytes, then base64url: version and number of strokes; for each stroke its width, its number of points, and the
// points, each as the difference from the one before. Numbers are varints of 7 bits a byte; differences are zigzag.

import { countPoints, limitPoints, SIDE, thin } from "./strokes.js";

const VERSION = 1;
const KEY = "d=";
const TOLERANCE = 1;
const MAX_GAP = 30;
const MAX_POINTS = 20_000;
const MAX_WIDTH = 100;

export function encode(strokes) {
  const bytes = [VERSION];
  const put = (value) => {
    for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
    bytes.push(value);
  };
  const kept = limitPoints(
    strokes.map(({ points, width }) => ({ points: thin(points, TOLERANCE, MAX_GAP), width })),
    MAX_POINTS,
  );
  put(kept.length);
  for (const { points, width } of kept) {
    put(width);
    put(points.length);
    let [x, y] = [0, 0];
    for (const point of points) {
      const [left, top] = point.map(Math.round);
      for (const step of [left - x, top - y]) put(step < 0 ? -2 * step - 1 : 2 * step);
      [x, y] = [left, top];
    }
  }
  const text = bytes.map((byte) => String.fromCharCode(byte)).join("");
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The strokes, or null where the text is no drawing. */
export function decode(text) {
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    return read(bytes);
  } catch {
    return null;
  }
}

function read(bytes) {
  let at = 0;
  const take = (max) => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= bytes.length || shift > 21) throw new RangeError("not a drawing");
      value |= (bytes[at] & 127) << shift;
      if (bytes[at++] < 128) break;
    }
    if (value > max) throw new RangeError("not a drawing");
    return value;
  };
  if (take(VERSION) !== VERSION) return null;
  const strokes = [];
  for (let left = take(MAX_POINTS); left; left--) {
    const stroke = { width: Math.max(1, take(MAX_WIDTH)), points: [] };
    let point = [0, 0];
    for (let more = take(MAX_POINTS); more; more--) {
      point = point.map((value) => {
        const step = take(4 * SIDE);
        return value + (step % 2 ? -(step + 1) / 2 : step / 2);
      });
      if (point.some((value) => value < 0 || value > SIDE)) return null;
      stroke.points.push(point);
    }
    if (stroke.points.length) strokes.push(stroke);
    if (countPoints(strokes) > MAX_POINTS) return null;
  }
  return strokes.length ? strokes : null;
}

/** The address that shows a drawing to whoever opens it. */
export function linkTo(strokes) {
  return `${location.origin}${location.pathname}#${KEY}${encode(strokes)}`;
}

/** The drawing in the page's address, or null. */
export function linked() {
  const text = location.hash.slice(1);
  return text.startsWith(KEY) ? decode(text.slice(KEY.length)) : null;
}

/** Removes the drawing from the page's address, once it has changed. */
export function unlink() {
  if (location.hash.startsWith(`#${KEY}`)) history.replaceState(history.state, "", location.pathname + location.search);
}
