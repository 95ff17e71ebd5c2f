// The picture of a finished run and its controls: changes show at once, from the stored result, with no request.

import { announce } from "./announce.js";
import { Chips } from "./chips.js";
import { byId, html } from "./dom.js";
import { List } from "./list.js";
import { shapesOf } from "./overlay.js";
import { offerAddress, offerSamples, offerText } from "./share.js";
import { Stage } from "./stage.js";
import { CROWD, View } from "./view.js";
import { count, percent } from "./words.js";

const STEP = 0.05;
const ADDRESS_PAUSE_MS = 250;

/**
 * Brings the page of a finished run to life.
 * @param {object | null} overlay  from fetchOverlay
 */
export function show(overlay) {
  offerAddress(byId("share"));
  offerSamples(byId("side"));
  const box = byId("stage");
  const form = byId("view");
  if (!overlay) letServerDraw(form);
  else if (form) new Viewer(box, form, overlay);
  else showCaptions(box, overlay);
}

/** Where the overlay does not come, the page works as without scripts: the server draws, and the form asks it to. */
function letServerDraw(form) {
  byId("photo").src = byId("download").dataset.image;
  if (!form) return;
  form.querySelector("button[type=submit]").classList.remove("no-js");
  const textContent = "The live picture could not be loaded. Press Show after a change, or reload the page.";
  const problem = html("p", { className: "problem", textContent });
  problem.setAttribute("role", "alert");
  form.before(problem);
}

/** Without instances there is nothing to control: draws what the whole photo shows, where the download does too. */
function showCaptions(box, overlay) {
  const query = new URL(byId("download").href).searchParams;
  new Stage(box, overlay).update({ layer: (name) => query.get(name) !== "0" }, []);
}

class Viewer {
  #instances;
  #form;
  #view;
  #stage;
  #list;
  #chips = null;
  #shapes = [];
  #pinned = null;
  #addressTimer = 0;

  constructor(box, form, overlay) {
    this.#instances = overlay.instances;
    this.#form = form;
    this.#view = new View(form);
    this.#stage = new Stage(box, overlay);
    this.#list = new List(byId("found"), overlay.instances, (threshold) => this.#lower(threshold));
    if (byId("chips")) this.#chips = new Chips(byId("chips"), overlay.instances, this.#view);
    this.#listen();
    this.#update();
    this.#pinAsked();
  }

  #listen() {
    const copyAll = byId("copy-text");
    const lines = () => this.#shapes.flatMap(({ instance: { text } }) => (text ? [text] : []));
    if (copyAll) offerText(copyAll, () => lines().join("\n"));
    this.#form.addEventListener("input", () => this.#update());
    this.#form.addEventListener("change", () => this.#update());
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    const rowAt = ({ target }) => target.closest("[data-id]")?.dataset.id ?? null;
    this.#follow(this.#stage.element, (event) => this.#stage.idAt(event), true);
    this.#follow(this.#list.element, rowAt, false);
    this.#list.element.addEventListener("click", (event) => rowAt(event) && this.#fly());
    document.addEventListener("keydown", (event) => this.#onKey(event));
    window.addEventListener("hashchange", () => this.#pinAsked());
  }

  /**
   * Highlights what is pointed at or focused in an element; a click or tap pins it.
   * @param {(event: Event) => string | null} idAt
   * @param {boolean} scroll  whether the list scrolls to it
   */
  #follow(element, idAt, scroll) {
    element.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch" || event.buttons) return;
      const id = idAt(event);
      element.classList.toggle("pointed", Boolean(id));
      this.#light(id, scroll);
    });
    element.addEventListener("pointerleave", () => this.#light(null));
    element.addEventListener("focusin", ({ target }) => this.#light(target.dataset.id ?? null, scroll));
    element.addEventListener("focusout", () => this.#light(null));
    element.addEventListener("click", (event) => event.detail < 2 && this.#choose(idAt(event)));
  }

  /** Enlarges what is pinned; the whole photo where nothing is. */
  #fly() {
    if (this.#pinned) this.#stage.show(this.#pinned);
    else this.#stage.fit();
  }

  /** Pins an instance, or frees it; one below the threshold lowers the threshold instead. */
  #choose(id) {
    const instance = this.#instances.find((other) => other.id === id);
    if (instance && !this.#view.passes(instance)) this.#setThreshold(instance.score);
    else this.#pin(id === this.#pinned ? null : id);
  }

  #pin(id) {
    this.#pinned = id;
    this.#stage.pin(id);
    this.#list.pin(id);
    this.#light(id, true);
    this.#link();
  }

  /** Pins what the address names, if it is shown. */
  #pinAsked() {
    const id = location.hash.slice(1);
    if (this.#shapes.some(({ instance }) => instance.id === id)) this.#pin(id);
  }

  /** Highlights an instance; null for the pinned one. */
  #light(id, scroll = false) {
    const lit = id ?? this.#pinned;
    this.#stage.light(lit);
    this.#list.light(lit, scroll && Boolean(id));
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const handle = event.target.closest(".inst");
    if (event.key === "[") this.#setThreshold(this.#view.threshold - STEP);
    if (event.key === "]") this.#setThreshold(this.#view.threshold + STEP);
    if (event.key === "Escape") {
      if (!this.#pinned) this.#stage.fit();
      this.#pin(null);
      handle?.blur();
    }
    if (handle && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      this.#choose(handle.dataset.id);
    }
  }

  #lower(threshold) {
    this.#setThreshold(threshold);
    byId("threshold").focus();
  }

  #setThreshold(share) {
    this.#view.threshold = share;
    this.#update();
  }

  #update() {
    const view = this.#view;
    this.#shapes = shapesOf(this.#instances, view);
    if (this.#pinned && !this.#shapes.some(({ instance }) => instance.id === this.#pinned)) this.#pin(null);
    this.#stage.update(view, this.#shapes);
    this.#list.update(view, this.#shapes);
    this.#chips?.update(view, this.#shapes);
    const threshold = percent(view.threshold);
    byId("threshold-out").textContent = threshold;
    byId("threshold").setAttribute("aria-valuetext", threshold);
    this.#tell(threshold);
    this.#link();
  }

  #tell(threshold) {
    const kinds = this.#shapes.map(({ instance }) => instance.kind);
    const counts = JSON.parse(this.#form.dataset.nouns)
      .map((noun) => count(kinds.filter((kind) => kind === noun).length, noun))
      .join(", ");
    document.querySelector("#sum b").textContent = counts;
    byId("crowd").hidden = this.#shapes.filter(({ instance }) => instance.tagged).length <= CROWD;
    announce(`${counts} at ${threshold} or more`);
  }

  /** Download, exports, the lines for the API and the page's address ask for what is shown; it names what is pinned. */
  #link() {
    const query = this.#view.query();
    const download = byId("download");
    download.href = `${download.pathname}?${query}`;
    for (const link of document.querySelectorAll("[data-format]")) {
      const ofFormat = new URLSearchParams(query);
      ofFormat.set("format", link.dataset.format);
      link.href = `${link.pathname}?${ofFormat}`;
    }
    for (const part of document.querySelectorAll("[data-query]"))
      part.textContent = part.dataset.query === "filters" ? this.#view.filters() : query;
    clearTimeout(this.#addressTimer);
    const address = this.#pinned ? `?${query}#${this.#pinned}` : `?${query}`;
    this.#addressTimer = setTimeout(() => history.replaceState(history.state, "", address), ADDRESS_PAUSE_MS);
  }
}
