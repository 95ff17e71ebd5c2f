// Numbers and names in words, as the server's own app/web/common/words.py writes them.

export const NBSP = "\u00a0";
const MAX_LETTERS = 28; // of a text in a tag

/** 0.984 -> `98 %`; never 100 % for less than all, nor 0 % for more than nothing. */
export function percent(share) {
  let whole = Math.round(100 * share);
  if (share < 1) whole = Math.min(whole, 99);
  if (share > 0) whole = Math.max(whole, 1);
  return `${whole}${NBSP}%`;
}

/** `no objects`, `1 object`, `2 objects`. */
export function count(n, one, many = `${one}s`) {
  return `${n || "no"}${NBSP}${n === 1 ? one : many}`;
}

/** `a cat`, `an octopus`. */
export function withArticle(name) {
  return `${/^[aeiou]/i.test(name) ? "an" : "a"} ${name}`;
}

/** What a tag says: what was read there, shortened, or `person 98 %`, or `dog 91 %, or bear 80 %`. */
export function tagText({ name, score, text }, rivals) {
  if (!text) return `${name} ${percent(score)}${alternatives(rivals.slice(0, 1))}`;
  const line = text.trim().split(/\s+/).join(" ");
  return line.length > MAX_LETTERS ? `${line.slice(0, MAX_LETTERS - 1)}…` : line;
}

/** The other guesses at the same thing: `, or bear 80 %`. */
function alternatives(rivals) {
  return rivals.map(({ name, score }) => `, or ${name} ${percent(score)}`).join("");
}

/**
 * What is spoken of an instance: `book 3 of 39, upper right, 83 %`, or `QR code: all that was read, left`.
 * @param {string} number  `3 of 39`, empty for the only one of its class
 * @param {string} where  from `placeText`
 */
export function spokenText({ name, score, text }, rivals, number, where) {
  if (text) return `${name}: ${text}, ${where}`;
  return `${name}${number && ` ${number}`}, ${where}, ${percent(score)}${alternatives(rivals)}`;
}

/** Where in a photo the middle of a box is: `upper right`, `left`, `in the middle`. */
export function placeText([x1, y1, x2, y2], width, height) {
  const third = (middle, side) => Math.min(2, Math.max(0, Math.floor((3 * middle) / side)));
  const row = ["upper", "", "lower"][third((y1 + y2) / 2, height)];
  const column = ["left", "", "right"][third((x1 + x2) / 2, width)];
  if (!row && !column) return "in the middle";
  return column ? `${row} ${column}`.trim() : `${row} middle`;
}
