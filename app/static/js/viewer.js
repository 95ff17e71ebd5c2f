// The picture and its controls: every change is seen at once, from the stored result, with no request.

import { announce } from "./announce.js";
import { Chips } from "./chips.js";
import { List } from "./list.js";
import { fetchOverlay } from "./overlay.js";
import { share } from "./share.js";
import { Stage } from "./stage.js";
import { State } from "./state.js";
import { count, percent } from "./words.js";

const STEP = 0.05;
const ADDRESS_REST_MS = 250;

/** Brings the page of a finished run to life. */
export async function view() {
  share(document.getElementById("share"));
  const box = document.getElementById("stage");
  const form = document.getElementById("view");
  const overlay = await fetchOverlay(box.dataset.overlay);
  if (!overlay) standIn(form);
  else if (form) new Viewer(box, form, overlay);
  else caption(box, overlay);
}

/** Where the overlay does not come, the page works as without scripts: the server draws, and the form asks it to. */
function standIn(form) {
  document.getElementById("photo").src = document.getElementById("download").dataset.image;
  if (!form) return;
  form.querySelector("button[type=submit]").classList.remove("no-js");
  const words = document.createElement("p");
  words.className = "problem";
  words.setAttribute("role", "alert");
  words.textContent = "The live picture could not be loaded. Press Show after a change, or reload the page.";
  form.before(words);
}

/** Draws what the whole photo shows where there is nothing else, and nothing to control; as the download has it. */
function caption(box, overlay) {
  const stage = new Stage(box, overlay);
  const asked = new URL(document.getElementById("download").href).searchParams;
  stage.update({ layer: (name) => asked.get(name) !== "0", shows: () => false });
  new ResizeObserver(() => stage.layout()).observe(stage.root);
  document.fonts.ready.then(() => stage.layout());
}

class Viewer {
  constructor(box, form, overlay) {
    this.overlay = overlay;
    this.form = form;
    this.state = new State(form);
    this.stage = new Stage(box, overlay);
    this.list = new List(document.getElementById("found"), overlay.items);
    const chips = document.getElementById("chips");
    this.chips = chips && new Chips(chips, overlay.items, this.state);
    this.pinned = null;
    this.listen();
    this.update();
    document.fonts.ready.then(() => this.stage.layout());
  }

  listen() {
    this.form.addEventListener("input", () => this.update());
    this.form.addEventListener("change", () => this.update());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    new ResizeObserver(() => this.stage.layout()).observe(this.stage.root);
    this.follow(this.stage.root);
    this.follow(this.list.list);
    document.addEventListener("keydown", (event) => this.key(event));
  }

  /** Lights up what is pointed at or focused in the stage or the list; a click or tap pins it. */
  follow(element) {
    const inStage = element === this.stage.root;
    const of = (event) => (inStage ? this.stage.at(event) : (event.target.closest("[data-id]")?.dataset.id ?? null));
    element.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch") return;
      const id = of(event);
      if (inStage) element.classList.toggle("any", Boolean(id));
      this.light(id, inStage);
    });
    element.addEventListener("pointerleave", () => this.light(null));
    element.addEventListener("focusin", (event) => this.light(event.target.dataset.id ?? null, inStage));
    element.addEventListener("focusout", () => this.light(null));
    element.addEventListener("click", (event) => this.choose(of(event)));
  }

  choose(id) {
    const item = this.overlay.items.find((other) => other.id === id);
    if (item && !this.state.enough(item)) {
      this.setThreshold(item.score);
      return;
    }
    this.pin(id === this.pinned ? null : id);
  }

  pin(id) {
    this.pinned = id;
    this.stage.pin(id);
    this.list.pin(id);
    this.light(id, true);
  }

  light(id, scroll = false) {
    const lit = id ?? this.pinned;
    if (lit !== this.stage.lit) this.stage.light(lit);
    this.list.light(lit, scroll && Boolean(id));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key, target } = event;
    if (key === "[" || key === "]") this.setThreshold(this.state.threshold + (key === "]" ? STEP : -STEP));
    if (key === "Escape") {
      this.pin(null);
      if (target.closest(".inst")) target.blur();
    }
    if ((key === "Enter" || key === " ") && target.closest(".inst")) {
      event.preventDefault();
      this.choose(target.closest(".inst").dataset.id);
    }
  }

  setThreshold(share) {
    this.state.threshold = share;
    this.update();
  }

  update() {
    const { state } = this;
    const pinned = this.overlay.items.find(({ id }) => id === this.pinned);
    if (pinned && !state.shows(pinned)) this.pin(null);
    this.stage.update(state);
    this.list.update(state);
    this.chips?.update(state);
    const shown = percent(state.threshold);
    document.getElementById("threshold-out").textContent = shown;
    state.range.setAttribute("aria-valuetext", shown);
    this.tell(shown);
    this.link();
  }

  tell(threshold) {
    const shown = this.overlay.items.filter((item) => this.state.shows(item));
    const faces = shown.filter(({ kind }) => kind === "face").length;
    const parts = [];
    if (this.chips) parts.push(count(shown.length - faces, "object"));
    if (this.form.dataset.faces) parts.push(count(faces, "face"));
    const sum = document.querySelector("#sum b");
    if (sum) sum.textContent = parts.join(", ");
    announce(`${parts.join(", ")} at ${threshold} or more`);
  }

  /** Download, exports and the address ask for what is seen. */
  link() {
    const query = this.state.query();
    const download = document.getElementById("download");
    download.href = `${download.pathname}?${query}`;
    for (const link of document.querySelectorAll("[data-format]")) {
      const own = new URLSearchParams(query);
      own.set("format", link.dataset.format);
      link.href = `${link.pathname}?${own}`;
    }
    clearTimeout(this.resting);
    this.resting = setTimeout(() => history.replaceState(history.state, "", `?${query}`), ADDRESS_REST_MS);
  }
}
