// The dialog for another photo: the start page's form, over any page.

import { html } from "./dom.js";
import { fetchPage } from "./fetch.js";
import { UploadForm } from "./sending.js";
import { loadStyles } from "./styles.js";

/** The dialog and its form, from the start page's address; null where that cannot be had. */
export async function makeDialog(start) {
  const page = await fetchPage(start);
  const element = page?.getElementById("upload");
  if (!element) return null;
  element.querySelector(".samples").remove();
  (await loadStyles(page)).add();
  const close = html("button", { type: "button", className: "btn", textContent: "Close" });
  const dialog = html("dialog", { className: "another", ariaLabel: "Send another photo" }, element, close);
  document.body.append(dialog);
  const form = new UploadForm(element);
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => form.cancel());
  return { dialog, form };
}
