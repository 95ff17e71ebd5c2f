// The page of a run: first the wait, then the picture.

import { view } from "./viewer.js";
import { wait } from "./wait.js";

const run = document.getElementById("run");
if (["queued", "running"].includes(run.dataset.state)) await wait(run);
if (run.dataset.state === "done") await view();
