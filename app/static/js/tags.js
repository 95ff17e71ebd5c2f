// The tags of the instances shown: apart from each other, inside the picture, of one size on every screen.

import { svg } from "./dom.js";
import { place } from "./labels_layout.js";
import { percent, tagText } from "./words.js";

const FONT_PX = 13;
const SMALL_FONT_PX = 11;
const PAD_PX = 6;
const RADIUS_PX = 3;
const LINE_HEIGHT = 1.5;
const BASELINE = 0.36; // below the middle of the letters, as a share of the font size
const BOX_LINE_PX = 2;
const CAPTION_MARGIN_PX = 6;
const NARROW_PX = 420;
const MAX_SHARE = 0.35; // Of the picture under tags: the least certain are left out.
const HEAD = 0.2;
const DARK = "#101214";

/**
 * @typedef {object} Tag
 * @property {SVGElement[]} elements
 * @property {number[]} corner  the upper left one, in pixels of the photo
 * @property {number[]} size  width and height, in pixels of the screen
 */

const context = document.createElement("canvas").getContext("2d");

/**
 * Draws the tags into `layer`: inside the part of the photo that is seen, where each goes along with its point of the
 * photo. Leader lines come first, so that none strikes through a tag.
 *
 * @param {SVGGElement} layer  whose `--pixel` is the length of a pixel of the screen on the photo
 * @param {import("./overlay.js").Shape[]} shapes  what gets a tag
 * @param {object[]} captions  what the whole photo shows, for the lower left corner
 * @param {import("./viewport.js").Viewport} viewport
 * @param {{colours: string, boxes: (instance: object) => boolean}} view  a tag stands at the box, or else at the upper
 *   end of the mask
 * @returns {Map<string, Tag>}  by id
 */
export function drawTags(layer, shapes, captions, viewport, view) {
  const [x1, y1, x2, y2] = viewport.seen;
  const origin = viewport.toStage([x1, y1]);
  const screen = [x2 - x1, y2 - y1].map((side) => Math.floor(side * viewport.scale));
  const sorted = [...shapes].sort((a, b) => b.instance.score - a.instance.score);
  const font = screen[0] < NARROW_PX ? SMALL_FONT_PX : FONT_PX;
  const texts = sorted.map(({ instance, rivals }) => tagText(instance, rivals));
  const sizes = texts.map((text) => textSize(text, font));
  const named = sorted.slice(0, affordable(sizes, screen)).map(({ instance }) => instance);
  const anchors = named.map((instance) => anchor(instance, view.boxes(instance), viewport, origin));
  const caption = captions.length ? captionOf(captions, screen) : null;
  const places = place(anchors, sizes.slice(0, named.length), screen, caption ? [caption.box] : []);
  const [drawn, leaders, tags] = [new Map(), [], []];
  const pinned = (element, [x, y]) => {
    const corner = viewport.toPhoto([x + origin[0], y + origin[1]]);
    element.style.transform = `translate(${corner[0]}px, ${corner[1]}px) scale(var(--pixel))`;
    return corner;
  };
  for (const [i, spot] of places.entries()) {
    if (!spot) continue;
    const start = [spot.x, spot.y];
    const colour = named[i].colours[view.colours];
    const elements = [tag(texts[i], colour, sizes[i], font)];
    const corner = pinned(elements[0], start);
    tags.push(elements[0]);
    if (spot.leader) {
      const end = spot.leader.map((value, side) => value - start[side]);
      elements.push(leader(sizes[i], end, colour.fill));
      pinned(elements[1], start);
      leaders.push(elements[1]);
    }
    drawn.set(named[i].id, { elements, corner, size: sizes[i] });
  }
  if (caption) pinned(caption.element, caption.box);
  layer.replaceChildren(...leaders, ...tags, ...(caption ? [caption.element] : []));
  return drawn;
}

/** How many of the tags, from the first, the picture has room for. */
function affordable(sizes, [width, height]) {
  let left = MAX_SHARE * width * height;
  const n = sizes.findIndex(([w, h]) => {
    left -= w * h;
    return left < 0;
  });
  return n < 0 ? sizes.length : Math.max(1, n);
}

function textSize(text, font) {
  context.font = `600 ${font}px Inter, system-ui, sans-serif`;
  return [Math.ceil(context.measureText(text).width) + 2 * PAD_PX, Math.round(font * LINE_HEIGHT) + 2];
}

/** The box that a tag belongs to, with the line around it, in pixels of the screen from the origin. */
function anchor(instance, boxed, viewport, origin) {
  const [x1, y1, x2, y2] = boxed || !instance.rings.length ? instance.box : head(instance);
  const ends = [viewport.toStage([x1, y1]), viewport.toStage([x2, y2])].flat();
  const margin = BOX_LINE_PX / 2;
  return ends.map((value, i) => value - origin[i % 2] + (i < 2 ? -margin : margin));
}

/** The upper end of a mask, as a box. */
function head({ rings }) {
  const points = rings.flat();
  const ys = points.map(([, y]) => y);
  const top = Math.min(...ys);
  const bottom = top + HEAD * (Math.max(...ys) - top);
  const xs = points.filter(([, y]) => y <= bottom).map(([x]) => x);
  return [Math.min(...xs), top, Math.max(...xs), bottom];
}

function tag(words, colour, [width, height], font) {
  const plate = { width, height, rx: RADIUS_PX, fill: colour.fill };
  const text = { x: PAD_PX, y: height / 2 + BASELINE * font, fill: colour.text, "font-size": font };
  return svg("g", { class: "tag" }, svg("rect", plate), svg("text", text, words));
}

/** From the edge of a tag of a size to a point, both counted from the tag's upper left corner. */
function leader([width, height], [x, y], colour) {
  const start = { x1: Math.min(Math.max(x, 0), width), y1: Math.min(Math.max(y, 0), height) };
  const line = { ...start, x2: x, y2: y };
  return svg(
    "g",
    { class: "leader" },
    svg("line", { class: "casing", ...line, stroke: DARK }),
    svg("line", { ...line, stroke: colour }),
    svg("circle", { cx: x, cy: y, r: 3, fill: colour }),
  );
}

function captionOf(captions, [, height]) {
  const shown = captions.filter(({ score }, i) => i === 0 || (i < 3 && score >= 0.1));
  const words = shown.map(({ name, score }) => `${name.replaceAll("_", " ")} ${percent(score)}`).join(" · ");
  const [w, h] = textSize(words, SMALL_FONT_PX);
  const [x, y] = [CAPTION_MARGIN_PX, height - h - CAPTION_MARGIN_PX];
  const plate = { width: w, height: h, rx: RADIUS_PX, fill: DARK, "fill-opacity": 0.72 };
  const text = { x: PAD_PX, y: h / 2 + BASELINE * SMALL_FONT_PX, fill: "#fff", "font-size": SMALL_FONT_PX };
  const element = svg("g", { class: "caption" }, svg("rect", plate), svg("text", text, words));
  return { element, box: [x, y, x + w, y + h] };
}
