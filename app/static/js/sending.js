// The upload form: photos are chosen or handed over, previewed, and sent.

import { announce } from "./announce.js";
import { clear, preview } from "./preview.js";
import { upload } from "./upload.js";
import { count, NBSP, percent } from "./words.js";

const SPOKEN_STEP = 0.25; // of an upload: how often its progress is spoken

export class UploadForm {
  #form;
  #parts;
  #title = ""; // Of the page, while something is sent.
  #sending = new AbortController();

  /** @param {HTMLFormElement} form  in the page, or in a dialog over another one (templates/_upload.html) */
  constructor(form) {
    this.#form = form;
    const ids = ["drop", "photo", "preview", "progress", "sending-words", "address", "camera", "cancel"];
    const all = [...ids, "sending", "sending-name", "sending-spoken", "problem"];
    this.#parts = Object.fromEntries(all.map((id) => [id, form.querySelector(`#${id}`)]));
    const { photo, camera, address, cancel } = this.#parts;
    cancel.addEventListener("click", () => this.cancel());
    for (const input of [photo, camera]) input.addEventListener("change", () => this.send(input.files));
    form.addEventListener("submit", (event) => {
      if (event.submitter?.id !== "fetch") return;
      event.preventDefault();
      if (address.value.trim()) this.#sendAddress();
      else address.focus();
    });
    // On the way back from a run the browser restores the page as it was left, or builds it again with the file chosen.
    // An upload that began before the page was complete goes on.
    window.addEventListener("pageshow", (event) => {
      if (event.persisted || !this.#busy) this.#reset();
    });
  }

  /** Whether it can be seen and used. */
  get present() {
    return this.#form.isConnected;
  }

  get drop() {
    return this.#parts.drop;
  }

  /** Sends files as the form asks, and goes to their page; a problem or a cancellation leads back to the form. */
  async send(list) {
    const files = [...list];
    if (!files.length || !this.#mayBegin(files)) return;
    const { photo } = this.#parts;
    const body = new FormData(this.#form);
    body.delete(photo.name);
    for (const file of files) body.append(photo.name, file, file.name || "photo.png");
    preview(this.#parts.preview, files);
    this.#begin(files.length === 1 ? files[0].name : count(files.length, "photo"));
    this.#showProgress(0, files);
    await this.#deliver(body, (share) => this.#showProgress(share, files), photo);
  }

  cancel() {
    this.#sending.abort();
  }

  /** Has the server fetch the photo at the address in the form. */
  async #sendAddress() {
    if (!this.#mayBegin([])) return;
    const { address, progress, "sending-words": words, "sending-spoken": spoken } = this.#parts;
    this.#begin(address.value.trim());
    progress.removeAttribute("value");
    words.textContent = "Fetching it";
    announce(words.textContent, spoken);
    await this.#deliver(new FormData(this.#form), () => {}, address);
  }

  get #busy() {
    return this.drop.classList.contains("busy");
  }

  #mayBegin(files) {
    if (this.#busy) return false;
    const problem = this.#refusal(files);
    this.#showProblem(problem);
    if (problem) this.#reset();
    return !problem;
  }

  /** Why files cannot be sent, as a sentence; empty where they can. */
  #refusal(files) {
    const { photoLimit, batchLimit, countLimit, noAnalysis } = this.#form.dataset;
    const isArchive = (file) => /\.zip$/i.test(file.name);
    const megabytes = (bytes) => `${Math.round(bytes / 2 ** 20)}${NBSP}MB`;
    if (!this.#form.querySelector("[name=analyses]:checked")) return noAnalysis;
    if (files.length === 1 && !isArchive(files[0]) && files[0].size > photoLimit) {
      return `This file is larger than ${megabytes(photoLimit)}, the most that is taken.`;
    }
    if (files.length > countLimit) return `At most ${countLimit} photos are taken at a time.`;
    if (files.reduce((sum, file) => sum + file.size, 0) > batchLimit) {
      return `These files are larger than ${megabytes(batchLimit)} together, the most that is taken. Send them in parts.`;
    }
    return "";
  }

  #begin(name) {
    this.drop.classList.add("busy");
    this.#title = document.title;
    this.#parts.sending.hidden = false;
    this.#parts["sending-name"].textContent = name;
    this.#parts.cancel.focus();
  }

  /** Sends the form's data; where that fails the focus goes back to the control that it came from. */
  async #deliver(body, onProgress, from) {
    this.#sending = new AbortController();
    try {
      const made = await upload(this.#form.action, body, this.#sending.signal, onProgress);
      // A page under a dialog may hold a photo already: the new one gets a page of its own.
      if (this.#form.closest("dialog") || !(await this.#open(made))) location.assign(made.location);
    } catch (error) {
      this.#reset();
      from.focus();
      if (error.name === "AbortError") announce("Cancelled", this.#parts["sending-spoken"]);
      else this.#showProblem(error.message);
    }
  }

  async #open(made) {
    const { openInPlace } = await import("./open.js");
    return openInPlace(made, this.#parts.preview.querySelector("img"));
  }

  #showProgress(share, files) {
    const { progress, "sending-words": words, "sending-spoken": spoken } = this.#parts;
    const checking = files.length === 1 ? "Sent. Checking it" : "Sent. Checking them";
    const before = progress.value / 100;
    progress.value = 100 * share;
    words.textContent = share < 1 ? `Sending, ${percent(share)}` : checking;
    document.title = words.textContent;
    if (share === 0 || Math.floor(share / SPOKEN_STEP) > Math.floor(before / SPOKEN_STEP))
      announce(words.textContent, spoken);
  }

  #showProblem(message) {
    this.#parts.problem.textContent = message;
    this.#parts.problem.hidden = !message;
  }

  #reset() {
    if (!this.present) return;
    this.drop.classList.remove("busy", "over");
    this.#parts.sending.hidden = true;
    clear(this.#parts.preview);
    this.#parts.photo.value = "";
    this.#parts.camera.value = "";
    document.title = this.#title || document.title;
    this.#title = "";
  }
}
