// What is said of a photo, and everything that can be done to it: a list of objects, step by step, and one selected.

import { History } from "../history.js";
import { boundsOf, cropped, decode, moved, painted, reshaped } from "./mask.js";

const MAX_RECENT = 9;

/**
 * @typedef {object} Thing  an object of the photo; never changed, a change makes another of the same id
 * @property {number} id
 * @property {number | null} origin  its place in the model's answer
 * @property {string} name  its class
 * @property {number} score
 * @property {boolean} accepted
 * @property {number[]} box  x1 y1 x2 y2 in pixels of the photo
 * @property {import("./mask.js").Mask | null} mask
 */

export class Editor extends EventTarget {
  #history;
  #nextId = 0;
  #size;
  #guesses;
  #colours;
  #selected = null;

  /**
   * @param {object} state  from the server
   * @param {number[]} size  width and height of the photo
   * @param {string[]} recent  the classes that were given last
   */
  constructor(state, size, recent) {
    super();
    this.#size = size;
    this.#colours = state.colours;
    this.#guesses = state.guesses.map((data) => this.#thing(data));
    this.#history = new History(state.instances.map((data) => this.#thing(data)));
    const found = [...new Set(this.things.map(({ name }) => name))];
    this.recent = [...recent, ...found.filter((name) => !recent.includes(name))].slice(0, MAX_RECENT);
  }

  /** @returns {Thing[]} */
  get things() {
    return this.#history.current;
  }

  /** What the model found but is not kept, best first. @returns {Thing[]} */
  get guesses() {
    const kept = new Set(this.things.map(({ origin }) => origin));
    return this.#guesses.filter(({ origin }) => !kept.has(origin)).sort((a, b) => b.score - a.score);
  }

  /** @returns {Thing | null} */
  get selected() {
    return this.things.find(({ id }) => id === this.#selected) ?? null;
  }

  get size() {
    return this.#size;
  }

  get canUndo() {
    return this.#history.canUndo;
  }

  get canRedo() {
    return this.#history.canRedo;
  }

  colourOf(name) {
    return this.#colours[name] ?? "#1861d6";
  }

  /** The server's colours, also of new classes. */
  set colours(colours) {
    this.#colours = colours;
    this.#tell("select");
  }

  select(id) {
    this.#selected = id;
    this.#tell("select");
  }

  /** Selects the next object, or the one before. */
  step(by) {
    const { things } = this;
    if (!things.length) return;
    const place = things.findIndex(({ id }) => id === this.#selected);
    const next = place < 0 ? (by > 0 ? 0 : things.length - 1) : (place + by + things.length) % things.length;
    this.select(things[next].id);
  }

  /** Agrees with the selected object. */
  accept() {
    if (this.selected) this.#replace(this.selected, {});
  }

  remove() {
    const { things, selected } = this;
    if (!selected) return;
    const place = things.indexOf(selected);
    if (selected.origin !== null && !this.#guesses.some(({ origin }) => origin === selected.origin)) {
      this.#guesses.push(selected);
    }
    const left = things.filter((thing) => thing !== selected);
    this.#selected = (left[place] ?? left.at(-1))?.id ?? null;
    this.#change(left);
  }

  /** Keeps a guess of the model. */
  keep(guess) {
    this.#selected = guess.id;
    this.#change([...this.things, { ...guess, accepted: true }]);
  }

  rename(name) {
    this.#use(name);
    if (this.selected) this.#replace(this.selected, { name });
  }

  /** Adds a new object, of the class that was given last. */
  draw(box) {
    const name = this.recent[0] ?? "object";
    const drawn = { id: this.#nextId++, origin: null, name, score: 1, accepted: true, box, mask: null };
    this.#selected = drawn.id;
    this.#change([...this.things, drawn]);
  }

  /** Moves the selected object by whole pixels, as far as its box stays in the photo. */
  move(dx, dy) {
    const { selected } = this;
    if (!selected) return;
    const { box, mask } = selected;
    const way = [dx, dy].map((by, i) => {
      const [low, high] = [Math.ceil(-box[i]), Math.floor(this.#size[i] - box[i + 2])];
      return Math.min(Math.max(Math.round(by), Math.min(low, 0)), Math.max(high, 0));
    });
    if (!way[0] && !way[1]) return;
    this.#replace(selected, {
      box: box.map((value, i) => value + way[i % 2]),
      mask: mask && moved(mask, ...way, this.#size),
    });
  }

  /** Gives the selected object another box; its mask loses what lies outside. */
  resize(box) {
    const { selected } = this;
    if (selected) this.#replace(selected, { box, mask: selected.mask && cropped(selected.mask, box) });
  }

  /** Brushes the selected object's mask in (1) or out (0). The box follows. */
  brush(points, radius, value) {
    const { selected } = this;
    if (selected && (selected.mask || value)) this.#remask(painted(selected.mask, points, radius, value, this.#size));
  }

  /** Puts rings in place of others in the selected object's mask. The box follows. */
  reshape(before, after) {
    if (this.selected) this.#remask(reshaped(this.selected.mask, before, after, this.#size));
  }

  undo() {
    if (this.#history.undo()) this.#tell("change");
  }

  redo() {
    if (this.#history.redo()) this.#tell("change");
  }

  #remask(mask) {
    this.#replace(this.selected, { mask, box: mask ? boundsOf(mask) : this.selected.box });
  }

  #replace(thing, changes) {
    const changed = { ...thing, ...changes, accepted: true };
    this.#change(this.things.map((other) => (other === thing ? changed : other)));
  }

  #change(things) {
    this.#history.change(things);
    this.#tell("change");
  }

  #use(name) {
    this.recent = [name, ...this.recent.filter((other) => other !== name)].slice(0, MAX_RECENT);
  }

  #tell(type) {
    this.dispatchEvent(new Event(type));
  }

  #thing({ from: origin, class: name, score, accepted, box, mask }) {
    return { id: this.#nextId++, origin, name, score, accepted, box, mask: mask && decode(mask) };
  }
}
