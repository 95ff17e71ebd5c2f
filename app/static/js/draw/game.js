// "Draw me a ...": all animals in random order, each until the program names it or its time is up.

import { announce } from "../announce.js";
import { byId, html, svg } from "../dom.js";
import { withArticle } from "../words.js";
import { curve, SIDE } from "./strokes.js";

const ROUND_MS = 30_000;
const WARNING_MS = 10_000;
const TICK_MS = 200;
const CHEER_MS = 1400;
const BEST = "draw-best";

export class Game {
  #animals;
  #sheet;
  #left = [];
  #rounds = [];
  #streak = 0;
  #longestStreak = 0;
  #ends = 0;
  #clock = 0;
  #warned = false;
  #pause = 0;

  /** The animal to draw; empty without a game. */
  word = "";

  /** @param sheet what is drawn on: strokes, setAside(), bringBack(), stop(), clear(), focus(). */
  constructor(animals, sheet) {
    this.#animals = animals;
    this.#sheet = sheet;
    byId("play").addEventListener("click", () => this.#begin());
    byId("skip").addEventListener("click", () => this.#endRound(false, "Skipped"));
    byId("stop").addEventListener("click", () => this.#end());
  }

  /** Whether the game is between two words, when nothing can be drawn. */
  get pausing() {
    return this.#pause !== 0;
  }

  /** Takes an answer of the program; whether it ends the round. */
  hear(answer) {
    if (!this.word || this.pausing || answer !== this.word) return false;
    this.#endRound(true, `Yes, ${withArticle(this.word)}!`);
    return true;
  }

  #begin() {
    this.#left = shuffled(this.#animals);
    this.#rounds = [];
    this.#streak = 0;
    this.#longestStreak = 0;
    this.#sheet.setAside();
    this.#show(true);
    this.#beginRound();
    this.#sheet.focus();
  }

  #beginRound() {
    this.#pause = 0;
    byId("cheer").hidden = true;
    this.word = this.#left.shift() ?? "";
    if (!this.word) {
      this.#end();
      return;
    }
    this.#sheet.clear();
    const timed = byId("timed").checked;
    byId("word").textContent = this.word;
    byId("ask").textContent = `Draw me ${withArticle(this.word).split(" ")[0]}`;
    this.#showScore();
    byId("clock").hidden = !timed;
    byId("clock").value = 100;
    this.#warned = false;
    this.#ends = timed ? performance.now() + ROUND_MS : Infinity;
    clearInterval(this.#clock);
    this.#clock = timed ? setInterval(() => this.#tick(), TICK_MS) : 0;
    announce(`Draw ${withArticle(this.word)}.`);
  }

  #tick() {
    const left = this.#ends - performance.now();
    byId("clock").value = Math.max(0, (100 * left) / ROUND_MS);
    if (left <= 0) this.#endRound(false, "Time is up");
    else if (left < WARNING_MS && !this.#warned) {
      this.#warned = true;
      announce(`${WARNING_MS / 1000} seconds left.`);
    }
  }

  #endRound(won, words) {
    if (!this.word || this.pausing) return;
    clearInterval(this.#clock);
    this.#sheet.stop();
    this.#streak = won ? this.#streak + 1 : 0;
    this.#longestStreak = Math.max(this.#longestStreak, this.#streak);
    this.#rounds.push({ word: this.word, won, strokes: this.#sheet.strokes });
    const cheer = byId("cheer");
    cheer.textContent = words;
    cheer.dataset.kind = won ? "right" : "missed";
    cheer.hidden = false;
    announce(`${words} Score ${this.#score} of ${this.#rounds.length}.`);
    this.#pause = setTimeout(() => this.#beginRound(), CHEER_MS);
    this.#showScore();
  }

  #end() {
    clearInterval(this.#clock);
    clearTimeout(this.#pause);
    this.#pause = 0;
    this.word = "";
    byId("cheer").hidden = true;
    this.#sheet.bringBack();
    this.#show(false);
    if (this.#rounds.length) this.#showResult();
    announce(
      this.#rounds.length ? `The end. You have ${this.#score} of ${this.#rounds.length}.` : "The game has ended.",
    );
    byId("play").focus();
  }

  get #score() {
    return this.#rounds.filter(({ won }) => won).length;
  }

  #showScore() {
    const streak = this.#streak > 1 ? ` · ${this.#streak} in a row` : "";
    const round = Math.min(this.#rounds.length + (this.pausing ? 0 : 1), this.#animals.length);
    byId("score").textContent = `${round} of ${this.#animals.length} · score ${this.#score}${streak}`;
  }

  #showResult() {
    const score = this.#score;
    const best = bestScore(score);
    const streak = this.#longestStreak > 1 ? `${this.#longestStreak} in a row. ` : "";
    byId("game-title").textContent = `${score} of ${this.#rounds.length}`;
    byId("game-text").textContent = `${streak}${score && score >= best ? "Your best so far." : `Your best: ${best}.`}`;
    byId("play").textContent = "Play again";
    byId("gallery").replaceChildren(...this.#rounds.map(frame));
    byId("gallery").hidden = false;
  }

  #show(playing) {
    byId("task").hidden = !playing;
    byId("game").hidden = playing;
  }
}

function shuffled(words) {
  const left = [...words];
  return words.map(() => left.splice(Math.floor(Math.random() * left.length), 1)[0]);
}

/** The best score so far, this one included; where storage is off, this one. */
function bestScore(score) {
  try {
    const best = Math.max(score, Number(localStorage.getItem(BEST)) || 0);
    localStorage.setItem(BEST, String(best));
    return best;
  } catch {
    return score;
  }
}

/** A drawing of the game, and whether it was named. */
function frame({ word, won, strokes }) {
  const lines = strokes.map(({ points, width }) => svg("path", { d: curve(points), "stroke-width": width }));
  const picture = svg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, "aria-hidden": "true" }, ...lines);
  const name = html("b", { textContent: won ? `${word} ✓` : word });
  if (won) name.setAttribute("aria-label", `${word}, right`);
  return html("li", { className: won ? "right" : "missed" }, picture, name);
}
