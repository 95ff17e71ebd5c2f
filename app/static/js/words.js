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

/** What a tag says: what was read there, shortened, or `person 98 %`. */
export function tagText({ name, score, text }) {
  if (!text) return `${name} ${percent(score)}`;
  const line = text.trim().split(/\s+/).join(" ");
  return line.length > MAX_LETTERS ? `${line.slice(0, MAX_LETTERS - 1)}…` : line;
}

/** What is spoken of an instance: `QR code: all that was read`, or what its tag says. */
export function spokenText(instance) {
  return instance.text ? `${instance.name}: ${instance.text}` : tagText(instance);
}
