// What was drawn, with undo and redo. Clearing can be undone like everything else.

export class History {
  #past = [];
  #future = [];

  /** The finished strokes. */
  strokes = [];

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  /** Replaces the strokes. */
  change(strokes) {
    this.#past.push(this.strokes);
    this.#future = [];
    this.strokes = strokes;
  }

  /** Whether there was something to undo. */
  undo() {
    return this.#step(this.#past, this.#future);
  }

  /** Whether there was something to redo. */
  redo() {
    return this.#step(this.#future, this.#past);
  }

  /** Starts again, with nothing to undo. */
  reset(strokes = []) {
    this.#past = [];
    this.#future = [];
    this.strokes = strokes;
  }

  #step(from, to) {
    if (!from.length) return false;
    to.push(this.strokes);
    this.strokes = from.pop();
    return true;
  }
}
