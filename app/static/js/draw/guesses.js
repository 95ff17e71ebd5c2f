// Asks what the drawing shows while it grows: the newest strokes win, and one question is on its way at a time.

import { atMost, columns, SIDE } from "./strokes.js";

const REST_MS = 60;
// On a slow line an answer to older strokes is better than none; after this it is given up for a newer question.
const PATIENCE_MS = 10_000;
const AGAIN_MS = 2000;
const LOST = "The connection was lost. Trying again.";

export class Guesses {
  #address;
  #most;
  #tell;
  #wanted = null;
  #flight = null;
  #timer = 0;
  #held = 0;

  /** @param tell gets {answer, ...}, or {answer: null, message} where there is no guess. */
  constructor(address, most, tell) {
    this.#address = address;
    this.#most = most;
    this.#tell = tell;
  }

  /** The drawing has changed. */
  ask(strokes) {
    this.#wanted = strokes;
    this.#plan();
  }

  /** What was asked is of no interest any more. */
  forget() {
    this.#wanted = null;
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#flight?.abort.abort();
    this.#flight = null;
  }

  #plan() {
    if (this.#timer || !this.#wanted) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = 0;
        this.#send();
      },
      Math.max(REST_MS, this.#held - performance.now()),
    );
  }

  async #send() {
    if (this.#flight && performance.now() - this.#flight.began < PATIENCE_MS) return this.#plan();
    this.#flight?.abort.abort();
    const flight = { abort: new AbortController(), began: performance.now() };
    const strokes = this.#wanted;
    this.#flight = flight;
    this.#wanted = null;
    const answer = await this.#fetch(strokes, flight.abort.signal);
    if (this.#flight !== flight) return;
    this.#flight = null;
    if (answer.again) this.#wanted ??= strokes;
    this.#tell(answer);
    this.#plan();
  }

  async #fetch(strokes, signal) {
    const body = JSON.stringify({ strokes: columns(atMost(strokes, this.#most)), canvas: SIDE });
    const headers = { "Content-Type": "application/json", Accept: "application/json" };
    try {
      const response = await fetch(this.#address, { method: "POST", body, headers, signal });
      const answer = await response.json();
      if (response.ok) return answer;
      return this.#hold(Number(response.headers.get("Retry-After")) * 1000, answer.error, response.status);
    } catch {
      // What we called off ourselves says nothing of the connection, and nobody hears the answer.
      return signal.aborted ? null : this.#hold(AGAIN_MS, LOST, 0);
    }
  }

  /** No answer this time; nothing is asked for a while, and the same again where that may help. */
  #hold(milliseconds, message, status) {
    const again = status === 0 || status === 429 || status >= 500;
    if (again) this.#held = performance.now() + (milliseconds || AGAIN_MS);
    return { answer: null, message: message || LOST, again };
  }
}
