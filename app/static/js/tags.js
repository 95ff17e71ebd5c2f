// The tags of what is shown: apart from each other, inside the picture, as large on every screen.

import { place } from "./place.js";
import { svg } from "./svg.js";
import { percent } from "./words.js";

const FONT_PX = 13,
  SMALL_PX = 11,
  PAD_PX = 6,
  LINE = 1.5;
const CROWDED = 0.12,
  MOST = 0.35,
  HEAD = 0.2;
const canvas = document.createElement("canvas").getContext("2d");

export const text = (item) => `${item.name} ${percent(item.score)}`;

/**
 * Draws the tags into `layer`.
 * @param {object} frame  width and height of the photo, and `scale`: screen pixels for each of its pixels
 * @param {string[]} captions  what the whole photo shows, for the lower left corner
 * @returns {Map<string, {element: SVGGElement, rect: number[]}>} the tags by their items' ids
 */
export function draw(layer, items, frame, boxes, captions) {
  const all = [...items].sort((a, b) => b.score - a.score);
  const px = fontSize(all, frame);
  const unit = 1 / frame.scale;
  const sizes = all.map((item) => size(text(item), px).map((v) => v * unit));
  const room = withinReason(sizes, frame);
  const anchors = all.slice(0, room).map((item) => (boxes || !item.rings.length ? item.box : head(item)));
  const caption = captions.length ? captionOf(captions, frame, unit) : null;
  const places = place(anchors, sizes.slice(0, room), [frame.width, frame.height], caption ? [caption.rect] : []);
  const drawn = new Map();
  const leaders = [],
    tags = [];
  places.forEach((spot, i) => {
    if (!spot) return;
    const item = all[i],
      [w, h] = sizes[i];
    const rect = [spot.x, spot.y, spot.x + w, spot.y + h];
    const parts = [];
    if (spot.leader) parts.push(leader(rect, spot.leader, item.colour, unit));
    parts.push(svg("rect", { x: spot.x, y: spot.y, width: w, height: h, rx: 3 * unit, fill: item.colour }));
    const label = {
      x: spot.x + PAD_PX * unit,
      y: spot.y + h / 2 + 0.36 * px * unit,
      fill: item.ink,
      "font-size": px * unit,
    };
    parts.push(svg("text", label, text(item)));
    const element = svg("g", { class: "tag" }, ...parts);
    (spot.leader ? leaders : tags).push(element);
    drawn.set(item.id, { element, rect });
  });
  layer.replaceChildren(...leaders, ...tags, ...(caption ? [caption.element] : []));
  return drawn;
}

function fontSize(items, frame) {
  const screen = frame.width * frame.height * frame.scale ** 2;
  const crowd = items.reduce((sum, item) => sum + size(text(item), FONT_PX)[0] * FONT_PX * LINE, 0) / screen;
  return crowd > CROWDED || frame.width * frame.scale < 420 ? SMALL_PX : FONT_PX;
}

/** So many of the surest tags leave most of the picture to what it shows. */
function withinReason(sizes, frame) {
  let used = 0;
  const most = MOST * frame.width * frame.height;
  const room = sizes.findIndex(([w, h]) => {
    used += w * h;
    return used > most;
  });
  return room < 0 ? sizes.length : Math.max(1, room);
}

function size(words, px) {
  canvas.font = `600 ${px}px Inter, system-ui, sans-serif`;
  return [Math.ceil(canvas.measureText(words).width) + 2 * PAD_PX, Math.round(px * LINE) + 2];
}

/** The upper end of a mask: where its tag stands when no box is drawn. */
function head(item) {
  const points = item.rings.flat();
  const ys = points.map(([, y]) => y);
  const top = Math.min(...ys),
    bottom = Math.max(...ys);
  const xs = points.filter(([, y]) => y <= top + HEAD * (bottom - top)).map(([x]) => x);
  return [Math.min(...xs), top, Math.max(...xs), top + HEAD * (bottom - top)];
}

function leader(rect, [x, y], colour, unit) {
  const from = [Math.min(Math.max(x, rect[0]), rect[2]), Math.min(Math.max(y, rect[1]), rect[3])];
  const line = { x1: from[0], y1: from[1], x2: x, y2: y, class: "leader" };
  return svg(
    "g",
    {},
    svg("line", { ...line, stroke: "#101214", "stroke-width": 3.5 }),
    svg("line", { ...line, stroke: colour }),
    svg("circle", { cx: x, cy: y, r: 3 * unit, fill: colour }),
  );
}

function captionOf(captions, frame, unit) {
  const shown = captions.filter(({ score }, i) => i === 0 || (i < 3 && score >= 0.1));
  const words = shown.map((caption) => `${caption.name.replaceAll("_", " ")} ${percent(caption.score)}`).join(" · ");
  const [w, h] = size(words, SMALL_PX).map((v) => v * unit);
  const x = 6 * unit,
    y = frame.height - h - 6 * unit;
  const label = {
    x: x + PAD_PX * unit,
    y: y + h / 2 + 0.36 * SMALL_PX * unit,
    fill: "#fff",
    "font-size": SMALL_PX * unit,
  };
  const element = svg(
    "g",
    { class: "caption" },
    svg("rect", { x, y, width: w, height: h, rx: 3 * unit, fill: "#101214", "fill-opacity": 0.72 }),
    svg("text", label, words),
  );
  return { element, rect: [x, y, x + w, y + h] };
}
