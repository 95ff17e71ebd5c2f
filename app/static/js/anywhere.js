// Takes photos that are dropped or pasted on a page without the upload form, with the start page's form in a dialog.

import { html } from "./dom.js";
import { fetchPage } from "./fetch.js";

const start = document.querySelector(".brand").href;
let opening = null;

/** The dialog with the start page's form, and the function that sends files with it; null where it cannot be had. */
async function openForm() {
  const page = await fetchPage(start);
  const form = page?.getElementById("upload");
  if (!form) return null;
  form.querySelector(".samples").remove();
  await addStyles(page);
  const close = html("button", { type: "button", className: "btn", textContent: "Close" });
  const dialog = html("dialog", { className: "another", ariaLabel: "Send another photo" }, form, close);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => form.querySelector("#cancel").click());
  document.body.append(dialog);
  const { send } = await import("./sending.js");
  return { dialog, send };
}

async function addStyles(page) {
  const present = new Set([...document.styleSheets].map(({ href }) => href));
  const links = [...page.querySelectorAll("head > link[rel=stylesheet]")].filter(({ href }) => !present.has(href));
  const loaded = links.map(
    (link) => new Promise((resolve) => Object.assign(link, { onload: resolve, onerror: resolve })),
  );
  document.head.append(...links);
  await Promise.all(loaded);
}

async function take(event, list) {
  if (event.defaultPrevented || !list?.length) return;
  event.preventDefault();
  const files = [...list]; // The event's own list is emptied once its handlers have run.
  opening ??= openForm();
  const opened = await opening;
  if (!opened) {
    location.assign(start);
    return;
  }
  if (!opened.dialog.open) opened.dialog.showModal();
  opened.send(files);
}

window.addEventListener("dragover", (event) => {
  if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
});
window.addEventListener("drop", (event) => take(event, event.dataTransfer?.files));
document.addEventListener("paste", (event) => take(event, event.clipboardData?.files));
// On the way back from the new photo's page, the browser restores this one as it was left.
window.addEventListener("pageshow", async (event) => {
  if (event.persisted) (await opening)?.dialog.close();
});
