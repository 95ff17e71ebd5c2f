// The start page: photos are dropped, pasted or chosen, seen at once, and sent.

import { clear, preview } from "./preview.js";
import { upload } from "./upload.js";
import { count, NBSP } from "./words.js";

const form = document.getElementById("upload");
const drop = document.getElementById("drop");
const input = document.getElementById("photo");
const box = document.getElementById("preview");
const bar = document.getElementById("progress");
const words = document.getElementById("sending-words");
const problem = document.getElementById("problem");
const title = document.title;

function refusal(files) {
  const limits = form.dataset;
  const zipped = (file) => /\.zip$/i.test(file.name);
  const mb = (bytes) => `${Math.round(bytes / 2 ** 20)}${NBSP}MB`;
  if (files.length === 1 && !zipped(files[0]) && files[0].size > limits.photoLimit) {
    return `This file is larger than ${mb(limits.photoLimit)}, the most that is taken.`;
  }
  if (files.length > limits.countLimit) return `At most ${limits.countLimit} photos are taken at a time.`;
  if (files.reduce((sum, file) => sum + file.size, 0) > limits.batchLimit) {
    return `These files are larger than ${mb(limits.batchLimit)} together, the most that is taken. Send them in parts.`;
  }
  return "";
}

function show(message) {
  problem.textContent = message;
  problem.hidden = !message;
}

function rest() {
  drop.classList.remove("busy", "over");
  document.getElementById("sending").hidden = true;
  clear(box);
  input.value = "";
  document.title = title;
}

function progress(share) {
  bar.value = 100 * share;
  words.textContent = share < 1 ? `Sending, ${Math.floor(100 * share)}${NBSP}%` : "Sent. Checking it";
  document.title = words.textContent;
}

async function send(list) {
  const files = [...list];
  if (!files.length || drop.classList.contains("busy")) return;
  show(refusal(files));
  if (!problem.hidden) return rest();
  const body = new FormData(form);
  body.delete(input.name);
  for (const file of files) body.append(input.name, file, file.name || "photo.png");
  drop.classList.add("busy");
  document.getElementById("sending").hidden = false;
  document.getElementById("sending-name").textContent =
    files.length === 1 ? files[0].name : count(files.length, "photo");
  preview(box, files);
  progress(0);
  try {
    location.assign(await upload(form.action, body, progress));
  } catch (error) {
    rest();
    show(error.message);
  }
}

input.addEventListener("change", () => send(input.files));
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
// Back from a run: the page may come out of the browser's memory as it was left, or be built anew with the file chosen.
// An upload that has begun before the page was all there goes on.
window.addEventListener("pageshow", (event) => {
  if (event.persisted || !drop.classList.contains("busy")) rest();
});
