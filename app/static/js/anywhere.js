// Takes photos that are dropped or pasted on any page: with its upload form, else with the start page's in a dialog.

const another = document.querySelector(".another-photo");
let here = null;
let opening = null;

/** @param {import("./sending.js").UploadForm} form  in this page */
export function takeWith(form) {
  here = form;
}

/** The form in the dialog, which is opened; null where it cannot be had. */
async function openDialog() {
  opening ??= import("./another.js").then(({ makeDialog }) => makeDialog(another.href));
  const opened = await opening;
  if (!opened) location.assign(another.href);
  else if (!opened.dialog.open) opened.dialog.showModal();
  return opened?.form;
}

async function take(event, list) {
  if (event.defaultPrevented || !list?.length) return;
  event.preventDefault();
  const files = [...list]; // The event's own list is emptied once its handlers have run.
  const form = here?.present ? here : await openDialog();
  form?.send(files);
}

window.addEventListener("dragover", (event) => {
  if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
});
window.addEventListener("drop", (event) => take(event, event.dataTransfer?.files));
document.addEventListener("paste", (event) => take(event, event.clipboardData?.files));
another.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || here?.present) return;
  event.preventDefault();
  openDialog();
});
// On the way back from the new photo's page, the browser restores this one as it was left.
window.addEventListener("pageshow", async (event) => {
  if (event.persisted) (await opening)?.dialog.close();
});
