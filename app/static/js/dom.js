// Elements in one line each.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

/** An HTML element with properties (not attributes). */
export function html(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** An SVG element with attributes. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG_NAMESPACE, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** The colour of a class, as in templates/_parts.html. */
export function dot(colour) {
  const attributes = { class: "dot", viewBox: "0 0 10 10", width: 10, height: 10, "aria-hidden": "true" };
  return svg("svg", attributes, svg("rect", { width: 10, height: 10, rx: 3, fill: colour }));
}

/** A share of 0..1 as a bar, as in templates/_parts.html. */
export function bar(share, colour) {
  const attributes = { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" };
  return svg("svg", attributes, svg("rect", { width: (100 * share).toFixed(1), height: 6, fill: colour }));
}
