// The board: photos dropped anywhere are added, and the cards of unfinished runs are replaced as these end.

import { upload } from "../js/upload.js";

const PAUSE_MS = 1000;

const form = document.querySelector("#add");
const board = document.querySelector("#board");

const queue = [];
let reloading = false;
let address = ""; // of the board with the photos that were sent from this page

if (form) {
  const input = form.querySelector("input[type=file]");
  input.addEventListener("change", () => {
    add(input.files);
    form.reset();
  });
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    document.body.classList.add("over");
  });
  addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("over"));
  addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    event.preventDefault();
    document.body.classList.remove("over");
    add(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => event.clipboardData && add(event.clipboardData.files));
}

/** Sends photos after those that are being sent; once all are sent, the board is loaded again. */
async function add(files) {
  if (!files.length || queue.push([...files]) > 1) return;
  if (reloading) stop(); // A page that loads would cut the sending off.
  const problem = form.querySelector("#problem");
  const messages = new Set();
  problem.hidden = true;
  for (; queue.length; queue.shift()) {
    tell(queue[0].length > 1 ? `Sending ${queue[0].length} photos…` : "Sending…", true);
    try {
      address = await upload(form.action, formData(queue[0]));
    } catch (error) {
      messages.add(error.message);
    }
  }
  reloading = !messages.size;
  if (reloading) {
    location.assign(address);
    return;
  }
  if (address) messages.add("The other photos are on the board: reload this page to see them.");
  problem.textContent = [...messages].join(" ");
  problem.hidden = false;
  tell("Add photos", false);
}

function tell(text, busy) {
  const pick = form.querySelector(".pick");
  pick.classList.toggle("busy", busy);
  pick.querySelector("b").textContent = text;
}

function formData(files) {
  const data = new FormData();
  data.append("csrf_token", form.elements.csrf_token.value);
  for (const file of files) data.append("photo", file, file.name || "photo.png");
  return data;
}

async function refresh(card) {
  const response = await fetch(card.dataset.card);
  if (response.status === 404) card.remove();
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("li");
  if (fresh && fresh.dataset.state !== card.dataset.state) card.replaceWith(document.adoptNode(fresh));
}

async function poll() {
  const waiting = [...board.querySelectorAll("[data-waiting]")];
  // A request that fails is repeated with the next ones.
  await Promise.all(waiting.map((card) => refresh(card).catch(() => {})));
  if (board.querySelector("[data-waiting]")) setTimeout(poll, PAUSE_MS);
}

if (board.querySelector("[data-waiting]")) setTimeout(poll, PAUSE_MS / 2);
