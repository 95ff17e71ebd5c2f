// What is drawn of an instance, in pixels of the photo.

import { svg } from "./dom.js";

const CORNER = 0.22; // of a face's shorter side

/** SVG path data of closed rings, [[x, y], ...] each. */
export function outline(rings) {
  return rings.map((ring) => `M${ring.map(([x, y]) => `${x} ${y}`).join("L")}Z`).join("");
}

/** What is seen, in the current colour: mask, box or quadrilateral, the corners and landmarks of a face. */
export function shape(instance) {
  const { rings, kind } = instance;
  const paint = { fill: "currentColor", stroke: "currentColor" };
  const mask = rings.length ? [svg("path", { class: "mask", d: outline(rings), ...paint })] : [];
  const box = kind === "face" ? face(instance) : [frame(instance)];
  return svg("g", { class: "shape" }, ...mask, ...box);
}

/** What is focused and spoken. */
export function handle(instance) {
  const attributes = {
    class: "inst",
    tabindex: -1,
    role: "button",
    "aria-pressed": "false",
    "data-id": instance.id,
  };
  const bounds = rectangle(instance);
  return svg("g", attributes, svg("rect", { class: "halo", ...bounds }), svg("rect", { class: "ring", ...bounds }));
}

function frame(instance) {
  const { corners: points } = instance;
  const stroke = "currentColor";
  if (points.length) return svg("polygon", { class: "box frame", stroke, points: points.join(" ") });
  return svg("rect", { class: "box frame", stroke, ...rectangle(instance) });
}

function face({ box, points }) {
  const d = corners(box);
  const r = Math.max(1, (box[2] - box[0]) / 40);
  return [
    svg("path", { class: "box casing", d, stroke: "#fff" }),
    svg("path", { class: "box corner", d, stroke: "currentColor" }),
    ...points.map(([cx, cy]) => svg("circle", { class: "point", cx, cy, r, fill: "#fff" })),
  ];
}

function corners([x1, y1, x2, y2]) {
  const arm = CORNER * Math.min(x2 - x1, y2 - y1);
  const turns = [
    [x1, y1, 1, 1],
    [x2, y1, -1, 1],
    [x2, y2, -1, -1],
    [x1, y2, 1, -1],
  ];
  return turns.map(([x, y, dx, dy]) => `M${x} ${y + dy * arm}V${y}H${x + dx * arm}`).join("");
}

const rectangle = ({ box }) => ({ x: box[0], y: box[1], width: box[2] - box[0], height: box[3] - box[1] });
