// What was drawn, and the way back and forth through it. Clearing can be undone like everything else.

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

  /** Puts other strokes in place of the present ones. */
  change(strokes) {
    this.#past.push(this.strokes);
    this.#future = [];
    this.strokes = strokes;
  }

  undo() {
    return this.#step(this.#past, this.#future);
  }

  redo() {
    return this.#step(this.#future, this.#past);
  }

  /** A new sheet, from which no way leads back. */
  begin(strokes = []) {
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
