// Numbers and names in words, as the server's own app/web/common/words.py writes them.

export const NBSP = "\u00a0";

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

/** What a tag says: `person 98 %`. */
export function tagText({ name, score }) {
  return `${name} ${percent(score)}`;
}
