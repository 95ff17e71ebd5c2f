// The page of a run: first the wait, then the picture.

import { byId } from "./dom.js";
import { show } from "./viewer.js";
import { wait } from "./wait.js";

const run = byId("run");
if (["queued", "running"].includes(run.dataset.state)) await wait(run);
if (run.dataset.state === "done") await show();
