// The start page: photos may be dropped or pasted anywhere on it.

import { byId } from "./dom.js";
import { send } from "./sending.js";

const drop = byId("drop");

document.addEventListener("paste", (event) => send(event.clipboardData.files));
window.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("over");
});
window.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
window.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  send(event.dataTransfer.files);
});
