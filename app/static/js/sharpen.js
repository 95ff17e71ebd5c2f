// A larger picture of the photo, fetched once the photo is enlarged beyond the pixels that are there.

const FACTOR = 2; // Between one size and the next.

/**
 * @param {HTMLImageElement} photo  whose address has a `max_size`, unless it shows every pixel
 * @param {import("./viewport.js").Viewport} viewport
 */
export async function sharpen(photo, viewport) {
  const address = new URL(photo.src);
  const size = Number(address.searchParams.get("max_size"));
  const needed = viewport.longest * viewport.scale * devicePixelRatio;
  if (!size || size >= viewport.longest || needed <= size) return;
  let larger = size;
  while (larger < needed) larger *= FACTOR;
  if (larger < viewport.longest) address.searchParams.set("max_size", larger);
  else address.searchParams.delete("max_size");
  await exchange(photo, address.href);
}

/** Shows another picture once it has come; until then, and where it does not come, the one that is there stays. */
export async function exchange(photo, address) {
  const before = photo.src;
  const fetched = new Image();
  fetched.src = address;
  try {
    await fetched.decode();
  } catch {
    return;
  }
  if (photo.src === before) photo.src = address;
}
