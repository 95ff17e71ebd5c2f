// Opens the page of a photo in place of the form that sent it: what was seen stays in sight and moves to the stage.

import { byId } from "./dom.js";
import { fetchPage } from "./fetch.js";
import { live } from "./live.js";
import { fetchOverlay } from "./overlay.js";
import { exchange } from "./sharpen.js";
import { loadStyles } from "./styles.js";
import { localise } from "./times.js";

const SAME_SHAPE = 0.02; // A photo that the browser does not turn as the server does has another one.
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * @param {{location: string, overlay?: string | null}} made  from `upload`
 * @param {HTMLImageElement | null} seen  the photo as the form shows it
 * @returns {Promise<boolean>}  false where the page must be gone to, because it has no stage
 */
export async function openInPlace(made, seen) {
  if (made.overlay === undefined) return false;
  const overlay = made.overlay && fetchOverlay(made.overlay);
  const page = await fetchPage(made.location);
  const photo = page?.getElementById("photo");
  if (!photo) return false;
  const served = photo.src;
  if (seen && sameShape(seen, photo)) photo.src = seen.src;
  const styles = await loadStyles(page);
  await transition(() => {
    styles.replace();
    takeOver(page);
    history.replaceState({ page: "form" }, "");
    history.pushState({ page: "photo" }, "", made.location);
  });
  await live(overlay);
  if (photo.src === seen?.src) await exchange(photo, served);
  if (seen && photo.src !== seen.src) URL.revokeObjectURL(seen.src);
  return true;
}

function sameShape({ naturalWidth, naturalHeight }, photo) {
  const ratio = photo.getAttribute("width") / photo.getAttribute("height");
  return Math.abs(naturalWidth / naturalHeight / ratio - 1) < SAME_SHAPE;
}

/** Resolves once the page has changed and nothing moves any more; a pointer, to which the page is shut, ends it. */
async function transition(change) {
  if (reducedMotion.matches || !document.startViewTransition) {
    change();
    return;
  }
  const moving = document.startViewTransition(change);
  for (const name of ["pointermove", "pointerdown"])
    window.addEventListener(name, () => moving.skipTransition(), { once: true });
  await moving.finished;
}

function takeOver(page) {
  const main = page.querySelector("main");
  for (const element of main.querySelectorAll("noscript")) element.remove(); // Parsed as if scripts were off.
  document.querySelector("main").replaceWith(main);
  document.querySelector(".nav").replaceWith(page.querySelector(".nav"));
  document.title = page.title;
  localise(main);
  scrollTo(0, 0);
  byId("main").focus({ preventScroll: true });
}
