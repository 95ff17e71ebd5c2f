// A run's result as the browser needs it: instances ready to draw, list and filter.

import { fetchJson } from "./fetch.js";

const RETRY_PAUSES_MS = [500, 2000];
const IGNORING_CASE = new Intl.Collator("en", { sensitivity: "accent" });

/**
 * @typedef {object} Instance
 * @property {string} id
 * @property {string} kind  the noun that it is counted as: object, face, ...
 * @property {string} name
 * @property {number} score
 * @property {number[]} box  x1 y1 x2 y2 in pixels of the photo
 * @property {number[][][]} rings  outlines and holes of the mask; none without a mask
 * @property {number[][]} points  landmarks of a face
 * @property {number[][]} corners  of a quadrilateral, drawn in place of the box
 * @property {string} text  what was read there
 * @property {boolean} tagged  whether a tag names it in the picture
 * @property {number} order  in the stored result
 * @property {{class: Colour, object: Colour}} colours
 * @property {string | null} rivalOf  the id of the surest guess at the same thing, if it is another
 *
 * @typedef {{fill: string, text: string}} Colour  and the colour of a text that is readable on it
 *
 * @typedef {object} Shape  what is shown as one, as in app/vision/rivals.py
 * @property {Instance} instance
 * @property {Instance[]} rivals  the weaker guesses at the same thing, best first
 */

/** The overlay at an address: size of the photo, instances (best first), captions; null where it does not come. */
export async function fetchOverlay(address) {
  let data = await fetchJson(address);
  for (const pause of RETRY_PAUSES_MS) {
    if (data) break;
    await new Promise((resolve) => setTimeout(resolve, pause));
    data = await fetchJson(address);
  }
  return data && parse(data);
}

function parse({ width, height, instances = [], faces = [], labels = [] }) {
  const all = [...instances.map(object), ...faces.map(face)];
  return { width, height, instances: all.sort(inListOrder), captions: labels };
}

/** Best first; what was read comes last, in the order in which it is read. As app/web/pages/views.py sorts them. */
function inListOrder(a, b) {
  if (Boolean(a.text) !== Boolean(b.text)) return a.text ? 1 : -1;
  return a.text ? a.order - b.order : b.score - a.score;
}

/**
 * What a view shows, rivals as one with the surest, in the list's order.
 * @param {Instance[]} instances  in the list's order
 * @returns {Shape[]}
 */
export function shapesOf(instances, view) {
  const shapes = new Map();
  for (const instance of instances.filter((one) => view.shows(one))) {
    const first = instance.rivalOf ?? instance.id;
    if (shapes.has(first)) shapes.get(first).rivals.push(instance);
    else shapes.set(first, { instance, rivals: [] });
  }
  return [...shapes.values()];
}

/** Instances in the order in which one reads: rows from the top, each from the left. */
export function inReadingOrder(instances, height) {
  const row = ({ box }) => Math.round((box[1] + box[3]) / 2 / (height / 8));
  return [...instances].sort((a, b) => row(a) - row(b) || a.box[0] - b.box[0]);
}

export const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
export const sameName = (one, other) => IGNORING_CASE.compare(one, other) === 0;

function object(data) {
  const rings = (data.polygons ?? []).map(pairs);
  const { kind = "object", corners = [], text = "", tagged = true, rival_of: surer } = data;
  const rivalOf = surer === undefined ? null : `object-${surer}`;
  return { id: `object-${data.id}`, kind, rings, points: [], corners, text, tagged, rivalOf, ...common(data) };
}

function face(data) {
  const only = { rings: [], points: data.landmarks ?? [], corners: [], text: "", tagged: true, rivalOf: null };
  return { id: `face-${data.id}`, kind: "face", ...only, ...common(data) };
}

function common({ id: order, class: name, score, box, own, ...shared }) {
  return { order, name, score, box, colours: { class: colour(shared), object: colour(own) } };
}

const colour = ({ colour: fill, text_colour: text }) => ({ fill, text });

/** [x, y, x, y, ...] as [[x, y], ...]. */
function pairs(flat) {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
}
