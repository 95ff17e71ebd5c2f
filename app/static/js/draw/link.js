// A drawing as a piece of an address: it travels in the link itself, and the server keeps nothing.
//
// Bytes: version, number of strokes, then for each its width, its number of points, and the points, each as the
// difference from the one before. Numbers are varints of 7 bits a byte; differences are zigzag. Then base64url.

import { atMost, countPoints, SIDE, thin } from "./strokes.js";

const VERSION = 1;
const KEY = "d=";
const OFF = 1;
const GAP = 30;
const MOST_POINTS = 20_000;
const MOST_WIDTH = 100;

export function encode(strokes) {
  const bytes = [VERSION];
  const put = (value) => {
    for (; value > 127; value >>>= 7) bytes.push((value & 127) | 128);
    bytes.push(value);
  };
  const kept = atMost(
    strokes.map(({ points, width }) => ({ points: thin(points, OFF, GAP), width })),
    MOST_POINTS,
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

/** The strokes, or null where the text is not one of ours. */
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
  const take = (most) => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= bytes.length || shift > 21) throw new RangeError("not a drawing");
      value |= (bytes[at] & 127) << shift;
      if (bytes[at++] < 128) break;
    }
    if (value > most) throw new RangeError("not a drawing");
    return value;
  };
  if (take(VERSION) !== VERSION) return null;
  const strokes = [];
  for (let left = take(MOST_POINTS); left; left--) {
    const stroke = { width: Math.max(1, take(MOST_WIDTH)), points: [] };
    let point = [0, 0];
    for (let more = take(MOST_POINTS); more; more--) {
      point = point.map((value) => {
        const step = take(4 * SIDE);
        return value + (step % 2 ? -(step + 1) / 2 : step / 2);
      });
      if (point.some((value) => value < 0 || value > SIDE)) return null;
      stroke.points.push(point);
    }
    if (stroke.points.length) strokes.push(stroke);
    if (countPoints(strokes) > MOST_POINTS) return null;
  }
  return strokes.length ? strokes : null;
}

/** The address that shows the drawing to whoever opens it. */
export function linkTo(strokes) {
  return `${location.origin}${location.pathname}#${KEY}${encode(strokes)}`;
}

/** The drawing of the page's own address, or null. */
export function linked() {
  const text = location.hash.slice(1);
  return text.startsWith(KEY) ? decode(text.slice(KEY.length)) : null;
}

/** The drawing has changed: the page's address shows another one no more. */
export function unlink() {
  if (location.hash.startsWith(`#${KEY}`)) history.replaceState(history.state, "", location.pathname + location.search);
}
