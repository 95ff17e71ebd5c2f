// "Draw me a ...": the six animals in a row, each until the program names it, or the time is up.

import { announce } from "../announce.js";
import { svg } from "../svg.js";
import { withArticle } from "./bars.js";
import { curve, SIDE } from "./strokes.js";

const ROUND_MS = 30_000;
const WARN_MS = 10_000;
const TICK_MS = 200;
const CHEER_MS = 1400;
const BEST = "draw-best";
const find = (id) => document.getElementById(id);

function shuffled(words) {
  const left = [...words];
  return words.map(() => left.splice(Math.floor(Math.random() * left.length), 1)[0]);
}

/** The best score so far; where nothing may be kept there is none. */
function bestScore(score) {
  try {
    const best = Math.max(score, Number(localStorage.getItem(BEST)) || 0);
    localStorage.setItem(BEST, String(best));
    return best;
  } catch {
    return score;
  }
}

export class Rounds {
  #words;
  #sheet;
  #left = [];
  #done = [];
  #streak = 0;
  #longest = 0;
  #ends = 0;
  #ticking = 0;
  #warned = false;
  #pausing = 0;

  word = "";

  /** @param sheet what is drawn on: strokes, aside(), back(), rest(), clean(), focus(). */
  constructor(words, sheet) {
    this.#words = words;
    this.#sheet = sheet;
    find("play").addEventListener("click", () => this.begin());
    find("skip").addEventListener("click", () => this.#end(false, "Skipped"));
    find("stop").addEventListener("click", () => this.#finish());
  }

  /** Whether the sheet is between two words, and not to be drawn on. */
  get pausing() {
    return this.#pausing !== 0;
  }

  begin() {
    this.#left = shuffled(this.#words);
    this.#done = [];
    this.#streak = 0;
    this.#longest = 0;
    this.#sheet.aside();
    this.#show(true);
    this.#next();
    this.#sheet.focus();
  }

  /** Hears what the program says of the drawing; whether that ends the round. */
  hear(answer) {
    if (!this.word || this.pausing || answer !== this.word) return false;
    this.#end(true, `Yes, ${withArticle(this.word)}!`);
    return true;
  }

  get #score() {
    return this.#done.filter(({ right }) => right).length;
  }

  #next() {
    this.#pausing = 0;
    find("cheer").hidden = true;
    this.word = this.#left.shift() ?? "";
    if (!this.word) return this.#finish();
    this.#sheet.clean();
    const timed = find("timed").checked;
    find("word").textContent = this.word;
    find("ask").textContent = `Draw me ${withArticle(this.word).split(" ")[0]}`;
    this.#tell();
    find("clock").hidden = !timed;
    find("clock").value = 100;
    this.#warned = false;
    this.#ends = timed ? performance.now() + ROUND_MS : Infinity;
    clearInterval(this.#ticking);
    this.#ticking = timed ? setInterval(() => this.#tick(), TICK_MS) : 0;
    announce(`Draw ${withArticle(this.word)}.`);
  }

  #tick() {
    const left = this.#ends - performance.now();
    find("clock").value = Math.max(0, (100 * left) / ROUND_MS);
    if (left <= 0) this.#end(false, "Time is up");
    else if (left < WARN_MS && !this.#warned) {
      this.#warned = true;
      announce(`${WARN_MS / 1000} seconds left.`);
    }
  }

  #end(right, words) {
    if (!this.word || this.pausing) return;
    clearInterval(this.#ticking);
    this.#sheet.rest();
    this.#streak = right ? this.#streak + 1 : 0;
    this.#longest = Math.max(this.#longest, this.#streak);
    this.#done.push({ word: this.word, right, strokes: this.#sheet.strokes });
    const cheer = find("cheer");
    cheer.textContent = words;
    cheer.dataset.kind = right ? "right" : "missed";
    cheer.hidden = false;
    announce(`${words} Score ${this.#score} of ${this.#done.length}.`);
    this.#pausing = setTimeout(() => this.#next(), CHEER_MS);
    this.#tell();
  }

  #tell() {
    const streak = this.#streak > 1 ? ` · ${this.#streak} in a row` : "";
    const place = Math.min(this.#done.length + (this.pausing ? 0 : 1), this.#words.length);
    find("score").textContent = `${place} of ${this.#words.length} · score ${this.#score}${streak}`;
  }

  #finish() {
    clearInterval(this.#ticking);
    clearTimeout(this.#pausing);
    this.#pausing = 0;
    this.word = "";
    find("cheer").hidden = true;
    this.#sheet.back();
    this.#show(false);
    announce(this.#done.length ? this.#sum() : "The game has ended.");
    find("play").focus();
  }

  /** Shows what became of the game; returns it as a sentence. */
  #sum() {
    const [score, best] = [this.#score, bestScore(this.#score)];
    find("game-title").textContent = `${score} of ${this.#done.length}`;
    const row = this.#longest > 1 ? `${this.#longest} in a row. ` : "";
    find("game-text").textContent = `${row}${score && score >= best ? "Your best so far." : `Your best: ${best}.`}`;
    find("play").textContent = "Play again";
    find("gallery").replaceChildren(...this.#done.map(frame));
    find("gallery").hidden = false;
    return `The end. You have ${score} of ${this.#done.length}.`;
  }

  #show(playing) {
    find("task").hidden = !playing;
    find("game").hidden = playing;
  }
}

/** A drawing of the game, and what became of it. */
function frame({ word, right, strokes }) {
  const item = document.createElement("li");
  item.className = right ? "right" : "missed";
  const lines = strokes.map(({ points, width }) => svg("path", { d: curve(points), "stroke-width": width }));
  const name = document.createElement("b");
  name.textContent = right ? `${word} ✓` : word;
  if (right) name.setAttribute("aria-label", `${word}, right`);
  item.append(svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, "aria-hidden": "true" }, ...lines), name);
  return item;
}
