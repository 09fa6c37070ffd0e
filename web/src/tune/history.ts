/* Undo and redo: the states of the tune before and after the present one. */

const MOST = 200;

export class History<State> {
  private readonly before: State[] = [];
  private after: State[] = [];

  constructor(public present: State) {}

  get canUndo(): boolean {
    return this.before.length > 0;
  }

  get canRedo(): boolean {
    return this.after.length > 0;
  }

  /** Makes a state the present one. With `replace`, the one before is forgotten: it was only on the way. */
  change(state: State, replace = false): void {
    if (state === this.present) return;
    if (!replace) {
      this.before.push(this.present);
      if (this.before.length > MOST) this.before.shift();
      this.after = [];
    }
    this.present = state;
  }

  undo(): void {
    const found = this.before.pop();
    if (found === undefined) return;
    this.after.push(this.present);
    this.present = found;
  }

  redo(): void {
    const found = this.after.pop();
    if (found === undefined) return;
    this.before.push(this.present);
    this.present = found;
  }
}
