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
// The tags leave more of the picture than this to what it shows: first they get smaller, then the least certain go.
const COMFORTABLE = 0.12;
const MAX_SHARE = 0.35;
const HEAD = 0.2;
const DARK = "#101214";
const context = document.createElement("canvas").getContext("2d");

/**
 * Draws the tags into `layer`, whose unit becomes a pixel of the screen. Leader lines come first, so that none strikes
 * through a tag.
 *
 * @param {SVGGElement} layer
 * @param {import("./overlay.js").Instance[]} instances
 * @param {object[]} captions  what the whole photo shows, for the lower left corner
 * @param {object} frame  width and height of the photo, and `scale`: pixels of the screen for each of the photo
 * @param {boolean} boxes  whether boxes are drawn; a tag stands at the upper end of the mask otherwise
 * @returns {Map<string, {elements: SVGElement[], box: number[]}>}  by id; the box in pixels of the photo
 */
export function drawTags(layer, instances, captions, { width, height, scale }, boxes) {
  const screen = [Math.floor(width * scale), Math.floor(height * scale)];
  const sorted = instances.filter(({ tagged }) => tagged).sort((a, b) => b.score - a.score);
  const font = fontSize(sorted, screen);
  const sizes = sorted.map((instance) => textSize(tagText(instance), font));
  const named = sorted.slice(0, affordable(sizes, screen));
  const anchors = named.map((instance) => anchor(instance, boxes, scale));
  const caption = captions.length ? captionOf(captions, screen) : null;
  const places = place(anchors, sizes.slice(0, named.length), screen, caption ? [caption.box] : []);
  const [drawn, leaders, tags] = [new Map(), [], []];
  for (const [i, spot] of places.entries()) {
    if (!spot) continue;
    const box = [spot.x, spot.y, spot.x + sizes[i][0], spot.y + sizes[i][1]];
    const elements = [tag(named[i], box, font)];
    tags.push(elements[0]);
    if (spot.leader) {
      elements.push(leader(box, spot.leader, named[i].colour));
      leaders.push(elements[1]);
    }
    drawn.set(named[i].id, { elements, box: box.map((value) => value / scale) });
  }
  layer.setAttribute("transform", `scale(${1 / scale})`);
  layer.replaceChildren(...leaders, ...tags, ...(caption ? [caption.element] : []));
  return drawn;
}

function fontSize(instances, [width, height]) {
  const areas = instances.map((instance) => textSize(tagText(instance), FONT_PX)[0] * FONT_PX * LINE_HEIGHT);
  const crowd = areas.reduce((sum, area) => sum + area, 0) / (width * height);
  return crowd > COMFORTABLE || width < NARROW_PX ? SMALL_FONT_PX : FONT_PX;
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

/** The box that a tag belongs to, with the line around it, in pixels of the screen. */
function anchor(instance, boxes, scale) {
  const box = boxes || !instance.rings.length ? instance.box : head(instance);
  const margin = BOX_LINE_PX / 2;
  return box.map((value, i) => value * scale + (i < 2 ? -margin : margin));
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

function tag(instance, [x1, y1, x2, y2], font) {
  const plate = { x: x1, y: y1, width: x2 - x1, height: y2 - y1, rx: RADIUS_PX, fill: instance.colour };
  const text = { x: x1 + PAD_PX, y: (y1 + y2) / 2 + BASELINE * font, fill: instance.textColour, "font-size": font };
  return svg("g", { class: "tag" }, svg("rect", plate), svg("text", text, tagText(instance)));
}

function leader([x1, y1, x2, y2], [x, y], colour) {
  const start = { x1: Math.min(Math.max(x, x1), x2), y1: Math.min(Math.max(y, y1), y2) };
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
  const plate = { x, y, width: w, height: h, rx: RADIUS_PX, fill: DARK, "fill-opacity": 0.72 };
  const text = { x: x + PAD_PX, y: y + h / 2 + BASELINE * SMALL_FONT_PX, fill: "#fff", "font-size": SMALL_FONT_PX };
  const element = svg("g", { class: "caption" }, svg("rect", plate), svg("text", text, words));
  return { element, box: [x, y, x + w, y + h] };
}
