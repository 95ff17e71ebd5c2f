// What was made, step by step, with undo and redo. Clearing can be undone like everything else.

/** @template T */
export class History {
  #past = [];
  #future = [];

  /** @param {T} current */
  constructor(current) {
    this.current = current;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** Replaces what is there by the next step. @param {T} next */
  change(next) {
    this.#past.push(this.current);
    this.#future = [];
    this.current = next;
  }

  /** Whether there was something to undo. */
  undo() {
    return this.#step(this.#past, this.#future);
  }

  /** Whether there was something to redo. */
  redo() {
    return this.#step(this.#future, this.#past);
  }

  /** Starts again, with nothing to undo. @param {T} current */
  reset(current) {
    this.#past = [];
    this.#future = [];
    this.current = current;
  }

  #step(from, to) {
    if (!from.length) return false;
    to.push(this.current);
    this.current = from.pop();
    return true;
  }
}
