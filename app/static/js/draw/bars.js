// The guess in words and bars. Says it, or what is wrong, to screen readers when it has changed and the hand rests.

import { announce } from "../announce.js";
import { NBSP } from "../words.js";

const NOT_SURE = "not sure";
// From this share on the program speaks without reserve.
const CERTAIN = 0.75;

export function withArticle(name) {
  return `${/^[aeiou]/.test(name) ? "an" : "a"} ${name}`;
}

/** Plainly rounded, so that all lines make about 100; only what is certain has 100. */
export function percent(share) {
  return `${share < 1 ? Math.min(99, Math.round(100 * share)) : 100}${NBSP}%`;
}

function spoken(answer) {
  return answer === NOT_SURE ? "Not sure" : `Looks like ${withArticle(answer)}`;
}

export class Bars {
  #lines;
  #other;
  #verdict = document.getElementById("verdict");
  #headline = document.getElementById("headline");
  #text = document.getElementById("text");
  #blank;
  #said = "";

  /** @param other name of the line of all that is none of the six. */
  constructor(list, other) {
    this.#other = other;
    this.#lines = new Map([...list.children].map((line) => [line.dataset.name, line]));
    this.#blank = ["Draw something", "The first guess comes with the first line."];
  }

  /** Shows an answer of the server. */
  show({ answer, message, probabilities, not_sure: none }) {
    if (answer === null) return this.clear(message);
    const shares = Object.entries(probabilities).map(([name, share]) => [name, share * (1 - none)]);
    const [best, share] = shares.reduce((one, other) => (other[1] > one[1] ? other : one));
    this.#fill([...shares, [this.#other, none]], answer);
    const verb = share >= CERTAIN ? "It is" : "Looks like";
    if (answer !== NOT_SURE) this.#write(answer, `${verb} ${withArticle(answer)}`, `${percent(share)} sure.`);
    else if (none < 0.5) this.#write(answer, "Not sure", `Perhaps ${withArticle(best)}.`);
    else this.#write(answer, "Not sure", `Maybe none of the six, or ${withArticle(best)}.`);
    this.#say(spoken(answer));
  }

  /** Takes the present guess as said: something else has been. */
  hush(answer) {
    this.#said = spoken(answer);
  }

  /** Shows that there is no guess, and why. */
  clear(message = "") {
    this.#fill(
      [...this.#lines.keys()].map((name) => [name, 0]),
      "",
    );
    const [headline, text] = this.#blank;
    if (!message || message.startsWith(headline)) {
      this.#write("", headline, text);
      this.#said = "";
    } else {
      this.#write("", "No guess", message);
      this.#say(message);
    }
  }

  #fill(shares, best) {
    for (const [name, share] of shares) {
      const line = this.#lines.get(name);
      line.querySelector(".bar rect").setAttribute("width", (100 * share).toFixed(1));
      line.querySelector(".num").textContent = percent(share);
      line.classList.toggle("best", name === best);
    }
  }

  #write(answer, headline, text) {
    this.#verdict.dataset.answer = answer;
    this.#headline.textContent = headline;
    this.#text.textContent = text;
  }

  #say(words) {
    if (words === this.#said) return;
    this.#said = words;
    announce(words);
  }
}
