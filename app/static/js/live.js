// The page of a photo: first the wait, then the picture.

import { byId } from "./dom.js";
import { fetchOverlay } from "./overlay.js";
import { show } from "./viewer.js";
import { wait } from "./wait.js";

/** @param {Promise<object | null>} [overlay]  where it is on its way already */
export async function live(overlay) {
  const run = byId("run");
  const fetched = () => fetchOverlay(byId("stage").dataset.overlay);
  let coming = overlay;
  // While the page of the result is fetched, the overlay is too.
  const onDone = () => {
    coming = fetched();
  };
  if (["queued", "running"].includes(run.dataset.state)) await wait(run, onDone);
  if (run.dataset.state === "done") show(await (coming ?? fetched()));
}
