// The guess in words and bars. Screen readers hear it, or what is wrong, when it has changed and the pen pauses.

import { announce } from "../announce.js";
import { byId } from "../dom.js";
import { percent, withArticle } from "../words.js";

const NOT_SURE = "not sure";
const BLANK = ["Draw something", "The first guess comes with the first line."];

export class Verdict {
  #verdict = byId("verdict");
  #headline = byId("headline");
  #text = byId("text");
  #lines = new Map([...byId("bars").children].map((line) => [line.dataset.name, line]));
  #announced = "";

  /** Shows a guess of the server: an answer with headline, text and bars, or none with a message. */
  show({ answer, headline, text, bars, message }) {
    if (answer === null) {
      this.clear(message);
      return;
    }
    for (const { name, share, percent: words } of bars) this.#fill(name, share, words, name === answer);
    this.#write(answer, headline, text);
    this.#announce(inWords(answer));
  }

  /** Shows that there is no guess, and why. */
  clear(message = "") {
    for (const name of this.#lines.keys()) this.#fill(name, 0, percent(0), false);
    if (!message || message.startsWith(BLANK[0])) {
      this.#write("", ...BLANK);
      this.#announced = "";
    } else {
      this.#write("", "No guess", message);
      this.#announce(message);
    }
  }

  /** Has an answer not announced: something else has said it. */
  skip(answer) {
    this.#announced = inWords(answer);
  }

  #fill(name, share, words, best) {
    const line = this.#lines.get(name);
    line.querySelector(".bar rect").setAttribute("width", (100 * share).toFixed(1));
    line.querySelector(".num").textContent = words;
    line.classList.toggle("best", best);
  }

  #write(answer, headline, text) {
    this.#verdict.dataset.answer = answer;
    this.#headline.textContent = headline;
    this.#text.textContent = text;
  }

  #announce(words) {
    if (words === this.#announced) return;
    this.#announced = words;
    announce(words);
  }
}

/** Without how sure it is, which changes with every line. */
function inWords(answer) {
  return answer === NOT_SURE ? "Not sure" : `Looks like ${withArticle(answer)}`;
}
