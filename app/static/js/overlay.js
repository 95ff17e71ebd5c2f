// Everything that was found in a photo, as values ready to draw.

const AGAIN_MS = [500, 2000];
const CASES = new Intl.Collator("en", { sensitivity: "accent" });

/**
 * @typedef {object} Item
 * @property {string} id @property {"object"|"face"} kind @property {string} name @property {number} score
 * @property {number[]} box  x1 y1 x2 y2 in pixels of the photo
 * @property {number[][][]} rings  outlines of the mask, [] for none
 * @property {number[][]} points  landmarks of a face
 * @property {string} colour @property {string} ink  colour of text on it
 */

/** A run's overlay: its items, best first, and the captions of the whole photo; null where it does not come. */
export async function fetchOverlay(address) {
  let data = await ask(address);
  for (const pause of AGAIN_MS) {
    if (data) break;
    await new Promise((resolve) => setTimeout(resolve, pause));
    data = await ask(address);
  }
  return data && read(data);
}

async function ask(address) {
  try {
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function read(data) {
  const items = [...(data.instances ?? []).map(object), ...(data.faces ?? []).map(face)];
  return {
    width: data.width,
    height: data.height,
    items: items.sort((a, b) => b.score - a.score),
    captions: data.labels ?? [],
  };
}

/** Items in the order in which one reads: rows from above, each from the left. */
export function inReadingOrder(items, height) {
  const row = ({ box }) => Math.round((box[1] + box[3]) / 2 / (height / 8));
  return [...items].sort((a, b) => row(a) - row(b) || a.box[0] - b.box[0]);
}

export const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
export const sameName = (one, other) => CASES.compare(one, other) === 0;

function object(raw) {
  return { id: `object-${raw.id}`, kind: "object", rings: (raw.polygons ?? []).map(pairs), points: [], ...common(raw) };
}

function face(raw) {
  return { id: `face-${raw.id}`, kind: "face", rings: [], points: raw.landmarks ?? [], ...common(raw) };
}

function common({ class: name, score, box, colour, text_colour: ink }) {
  return { name, score, box, colour, ink };
}

/** [x, y, x, y, ...] as [[x, y], ...]. */
function pairs(flat) {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
}
