// The upload form: photos are chosen or handed over, previewed, and sent.

import { announce } from "./announce.js";
import { byId } from "./dom.js";
import { clear, preview } from "./preview.js";
import { upload } from "./upload.js";
import { count, NBSP, percent } from "./words.js";

const form = byId("upload");
const drop = byId("drop");
const input = byId("photo");
const previews = byId("preview");
const progress = byId("progress");
const words = byId("sending-words");
const address = byId("address");
const camera = byId("camera");
const cancel = byId("cancel");
const spoken = byId("sending-spoken");
const problem = byId("problem");
const title = document.title;
const SPOKEN_STEP = 0.25; // of an upload: how often its progress is spoken
let sending = new AbortController();

/** Why files cannot be sent, as a sentence; empty where they can. */
function refusal(files) {
  const { photoLimit, batchLimit, countLimit } = form.dataset;
  const isArchive = (file) => /\.zip$/i.test(file.name);
  const megabytes = (bytes) => `${Math.round(bytes / 2 ** 20)}${NBSP}MB`;
  if (!form.querySelector("[name=analyses]:checked")) return form.dataset.noAnalysis;
  if (files.length === 1 && !isArchive(files[0]) && files[0].size > photoLimit) {
    return `This file is larger than ${megabytes(photoLimit)}, the most that is taken.`;
  }
  if (files.length > countLimit) return `At most ${countLimit} photos are taken at a time.`;
  if (files.reduce((sum, file) => sum + file.size, 0) > batchLimit) {
    return `These files are larger than ${megabytes(batchLimit)} together, the most that is taken. Send them in parts.`;
  }
  return "";
}

function showProblem(message) {
  problem.textContent = message;
  problem.hidden = !message;
}

function reset() {
  drop.classList.remove("busy", "over");
  byId("sending").hidden = true;
  clear(previews);
  input.value = "";
  camera.value = "";
  document.title = title;
}

function showProgress(share, files) {
  const checking = files.length === 1 ? "Sent. Checking it" : "Sent. Checking them";
  const before = progress.value / 100;
  progress.value = 100 * share;
  words.textContent = share < 1 ? `Sending, ${percent(share)}` : checking;
  document.title = words.textContent;
  if (share === 0 || Math.floor(share / SPOKEN_STEP) > Math.floor(before / SPOKEN_STEP))
    announce(words.textContent, spoken);
}

/** Sends files as the form asks, and goes to their page; a problem or a cancellation leads back to the form. */
export async function send(list) {
  const files = [...list];
  if (!files.length || !mayBegin(files)) return;
  const body = new FormData(form);
  body.delete(input.name);
  for (const file of files) body.append(input.name, file, file.name || "photo.png");
  preview(previews, files);
  begin(files.length === 1 ? files[0].name : count(files.length, "photo"));
  showProgress(0, files);
  await deliver(body, (share) => showProgress(share, files), input);
}

/** Has the server fetch the photo at the address in the form. */
async function sendAddress() {
  if (!mayBegin([])) return;
  begin(address.value.trim());
  progress.removeAttribute("value");
  words.textContent = "Fetching it";
  announce(words.textContent, spoken);
  await deliver(new FormData(form), () => {}, address);
}

function mayBegin(files) {
  if (drop.classList.contains("busy")) return false;
  showProblem(refusal(files));
  if (!problem.hidden) reset();
  return problem.hidden;
}

function begin(name) {
  drop.classList.add("busy");
  byId("sending").hidden = false;
  byId("sending-name").textContent = name;
  cancel.focus();
}

/** Sends the form's data; where that fails the focus goes back to the control that it came from. */
async function deliver(body, onProgress, from) {
  sending = new AbortController();
  try {
    location.assign(await upload(form.action, body, sending.signal, onProgress));
  } catch (error) {
    reset();
    from.focus();
    if (error.name === "AbortError") announce("Cancelled", spoken);
    else showProblem(error.message);
  }
}

cancel.addEventListener("click", () => sending.abort());
input.addEventListener("change", () => send(input.files));
camera.addEventListener("change", () => send(camera.files));
form.addEventListener("submit", (event) => {
  if (event.submitter?.id !== "fetch") return;
  event.preventDefault();
  if (address.value.trim()) sendAddress();
  else address.focus();
});
// On the way back from a run the browser restores the page as it was left, or builds it again with the file chosen.
// An upload that began before the page was complete goes on.
window.addEventListener("pageshow", (event) => {
  if (event.persisted || !drop.classList.contains("busy")) reset();
});
