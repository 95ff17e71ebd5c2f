// Asks what the drawing shows while it grows: always the newest strokes, one request at a time.

import { columns, limitPoints, SIDE } from "./strokes.js";

const PAUSE_MS = 60;
// On a slow line an answer to older strokes is better than none; after this time a newer request replaces it.
const PATIENCE_MS = 10_000;
const RETRY_MS = 2000;
const CONNECTION_LOST = "The connection was lost. Trying again.";

export class Guesser {
  #address;
  #maxPoints;
  #onGuess;
  #next = null;
  #request = null;
  #timer = 0;
  #notBefore = 0;

  /** @param onGuess gets {answer, headline, text, bars}, or {answer: null, message} where there is no guess. */
  constructor(address, maxPoints, onGuess) {
    this.#address = address;
    this.#maxPoints = maxPoints;
    this.#onGuess = onGuess;
  }

  /** Asks for strokes, in place of those that wait. */
  ask(strokes) {
    this.#next = strokes;
    this.#schedule();
  }

  /** Drops what was asked. */
  cancel() {
    this.#next = null;
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#request?.controller.abort();
    this.#request = null;
  }

  #schedule() {
    if (this.#timer || !this.#next) return;
    const pause = Math.max(PAUSE_MS, this.#notBefore - performance.now());
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      this.#send();
    }, pause);
  }

  async #send() {
    if (this.#request && performance.now() - this.#request.sent < PATIENCE_MS) {
      this.#schedule();
      return;
    }
    this.#request?.controller.abort();
    const request = { controller: new AbortController(), sent: performance.now() };
    const strokes = this.#next;
    this.#request = request;
    this.#next = null;
    const guess = await this.#fetch(strokes, request.controller.signal);
    if (this.#request !== request) return;
    this.#request = null;
    if (guess.retry) this.#next ??= strokes;
    this.#onGuess(guess);
    this.#schedule();
  }

  async #fetch(strokes, signal) {
    const body = JSON.stringify({ strokes: columns(limitPoints(strokes, this.#maxPoints)), canvas: SIDE });
    const headers = { "Content-Type": "application/json", Accept: "application/json" };
    try {
      const response = await fetch(this.#address, { method: "POST", body, headers, signal });
      const guess = await response.json();
      if (response.ok) return guess;
      return this.#failed(Number(response.headers.get("Retry-After")) * 1000, guess.error, response.status);
    } catch {
      // What was aborted here says nothing about the connection.
      return signal.aborted ? null : this.#failed(RETRY_MS, CONNECTION_LOST, 0);
    }
  }

  /** No guess this time; where it may help, the same is asked again after a pause. */
  #failed(pause, message, status) {
    const retry = status === 0 || status === 429 || status >= 500;
    if (retry) this.#notBefore = performance.now() + (pause || RETRY_MS);
    return { answer: null, message: message || CONNECTION_LOST, retry };
  }
}
