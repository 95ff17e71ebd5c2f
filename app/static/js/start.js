// The start page: photos may be dropped or pasted anywhere on it.

import { takeWith } from "./anywhere.js";
import { byId } from "./dom.js";
import { UploadForm } from "./sending.js";

const form = new UploadForm(byId("upload"));
takeWith(form);

window.addEventListener("dragover", () => form.drop.classList.add("over"));
window.addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || form.drop.classList.remove("over"));
window.addEventListener("drop", () => form.drop.classList.remove("over"));
// What the page of a photo needs is there before the photo is sent (templates/_upload.html).
window.addEventListener("load", () => document.head.append(byId("ahead").content));
