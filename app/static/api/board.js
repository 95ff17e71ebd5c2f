// The board: photos dropped anywhere are added, and cards that wait fill in by themselves.

const ASK_AGAIN = 1000; // milliseconds

const form = document.querySelector("#add");
const board = document.querySelector("#board");

if (form) {
  const input = form.querySelector("input[type=file]");
  input.addEventListener("change", () => input.files.length && send(input.files));
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
    send(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => event.clipboardData?.files.length && send(event.clipboardData.files));
}

async function send(files) {
  const pick = form.querySelector(".pick");
  const problem = form.querySelector("#problem");
  const words = pick.querySelector("b");
  const body = new FormData();
  body.append("csrf_token", form.elements.csrf_token.value);
  for (const file of files) body.append("photo", file, file.name || "photo.png");
  problem.hidden = true;
  pick.classList.add("busy");
  words.textContent = files.length > 1 ? `Sending ${files.length} photos…` : "Sending…";
  try {
    const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    location.assign(told.location);
  } catch (error) {
    problem.textContent = error instanceof TypeError ? "The server cannot be reached. Please try again." : error.message;
    problem.hidden = false;
    pick.classList.remove("busy");
    words.textContent = "Add photos";
    form.reset();
  }
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
