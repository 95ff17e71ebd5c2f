// The board: photos dropped anywhere are added, and cards that wait fill in by themselves.

const ASK_AGAIN = 1000; // milliseconds

const form = document.querySelector("#add");
const board = document.querySelector("#board");

const queue = [];
let leaving = false;
let address = ""; // Where photos are that were sent from this page.

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

/** Sends photos, after those that are on their way; with the last of them the page is loaded anew. */
async function add(files) {
  if (!files.length || queue.push([...files]) > 1) return;
  if (leaving) stop(); // The new page would break the sending off.
  const problem = form.querySelector("#problem");
  const wrong = new Set();
  problem.hidden = true;
  for (; queue.length; queue.shift()) {
    tell(queue[0].length > 1 ? `Sending ${queue[0].length} photos…` : "Sending…", true);
    try {
      address = await send(queue[0]);
    } catch (error) {
      wrong.add(error instanceof TypeError ? "The server cannot be reached. Please try again." : error.message);
    }
  }
  leaving = !wrong.size;
  if (leaving) return location.assign(address);
  if (address) wrong.add("The other photos are on the board: reload this page to see them.");
  problem.textContent = [...wrong].join(" ");
  problem.hidden = false;
  tell("Add photos", false);
}

function tell(words, busy) {
  const pick = form.querySelector(".pick");
  pick.classList.toggle("busy", busy);
  pick.querySelector("b").textContent = words;
}

/** Resolves to where the photos are seen. */
async function send(files) {
  const body = new FormData();
  body.append("csrf_token", form.elements.csrf_token.value);
  for (const file of files) body.append("photo", file, file.name || "photo.png");
  const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
  const told = await answer.json().catch(() => ({})); // A proxy answers with a page of its own.
  if (!told.location) throw new Error(told.error || "The photo could not be sent. Please try again.");
  return told.location;
}

async function renew(card) {
  const answer = await fetch(card.dataset.card);
  if (answer.status === 404) return card.remove();
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("li");
  if (fresh && fresh.dataset.state !== card.dataset.state) card.replaceWith(document.adoptNode(fresh));
}

async function fillIn() {
  const waiting = [...board.querySelectorAll("[data-waiting]")];
  await Promise.all(waiting.map((card) => renew(card).catch(() => {}))); // Lost for once: it is asked again.
  if (board.querySelector("[data-waiting]")) setTimeout(fillIn, ASK_AGAIN);
}

if (board.querySelector("[data-waiting]")) setTimeout(fillIn, ASK_AGAIN / 2);
