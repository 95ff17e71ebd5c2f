// Keeps every step on the server, one after the other; a newer version of another tab stops it.

import { encode } from "./mask.js";

const RETRY_MS = 3000;
const MAX_KEEPALIVE = 60_000; // Bytes that a browser still sends for a page that is closed.

export class Keeper {
  #address;
  #token;
  #size;
  #version;
  #wanted = null;
  #sending = null;
  #onState;

  /**
   * @param {string} address
   * @param {string} token  of the page's form
   * @param {number[]} size  width and height of the photo
   * @param {number} version  of the correction that is shown
   * @param {(state: "keeping" | "kept" | "waiting" | "outdated", answer?: object) => void} onState
   */
  constructor(address, token, [width, height], version, onState) {
    this.#address = address;
    this.#token = token;
    this.#size = [height, width];
    this.#version = version;
    this.#onState = onState;
  }

  /** Keeps these objects; resolves once the newest ones are kept, to whether they are. checked: nothing is missing. */
  keep(things, checked = false) {
    this.#wanted = { checked, instances: things.map((thing) => this.#describe(thing)) };
    this.#sending ??= this.#send();
    return this.#sending;
  }

  /** What was wanted last counts: steps in between need not be sent. */
  async #send() {
    while (this.#wanted) {
      const asked = this.#wanted;
      this.#wanted = null;
      this.#onState("keeping");
      const response = await this.#put(asked);
      if (response?.ok) {
        const answer = await response.json();
        this.#version = answer.version;
        this.#onState("kept", answer);
      } else if (response && response.status < 500 && response.status !== 429) {
        this.#onState("outdated");
        return false; // For good: what comes later would overwrite the newer version.
      } else {
        this.#wanted ??= asked;
        this.#onState("waiting");
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    this.#sending = null;
    return true;
  }

  async #put(asked) {
    const body = JSON.stringify({ version: this.#version, ...asked });
    const headers = { "Content-Type": "application/json", Accept: "application/json", "X-CSRFToken": this.#token };
    try {
      return await fetch(this.#address, { method: "PUT", headers, body, keepalive: body.length < MAX_KEEPALIVE });
    } catch {
      return null; // The connection is lost.
    }
  }

  #describe({ origin, name, box, mask, accepted }) {
    const from = origin === null ? {} : { from: origin };
    return { ...from, class: name, box, mask: mask && encode(mask, this.#size), accepted };
  }
}
