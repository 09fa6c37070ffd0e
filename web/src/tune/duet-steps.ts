/* What the player of a duet does at each step of the grid. A key counts for the nearest step; if that step has been told
   already, it is told again. Knows no clock and no network. Times are in seconds. */

export type Plays = "note" | "hold" | "rest";

export interface PlayedStep {
  /** Counts from the first note. */
  readonly step: number;
  readonly plays: Plays;
  readonly pitch: number | null;
  /** Whether this step was told before, and is now another. */
  readonly again: boolean;
}

/** So long after a step it is told that nothing was pressed at it. */
export const PATIENCE = 0.06;
const MOST_PATIENCE = 0.25; // steps

export class DuetSteps {
  /** The step of the metronome at which the duet began; null before. */
  first: number | null = null;
  private next = 0; // the step of the metronome that is told next
  private lastNote = -1; // the step of the last note
  private pending: number | null = null; // a pitch for the next step
  private revised = -1; // the last step that was told again
  private held = new Set<number>();
  private liftedAt = -Infinity;
  private isSilent = false;

  constructor(
    private readonly begin: number,
    private readonly seconds: number,
    private readonly tell: (step: PlayedStep) => void,
  ) {}

  /** Since when nothing has been held; null while a key is down. */
  get silentSince(): number | null {
    return this.held.size ? null : this.liftedAt;
  }

  press(pitch: number, time: number): void {
    const step = Math.round((time - this.begin) / this.seconds);
    if (this.first === null) this.next = step;
    this.first ??= step;
    if (step < this.next - 1 || (step === this.next - 1 && !this.canRevise(step))) {
      this.pending = pitch; // two notes at one step: the later one comes at the next
    } else if (step === this.next - 1) {
      this.revised = step;
      this.note(step, pitch, true);
    } else {
      while (this.next < step) this.tellNext();
      this.note(step, pitch, false);
      this.next = step + 1;
    }
    this.held.add(pitch);
  }

  lift(pitch: number, time: number): void {
    this.held.delete(pitch);
    if (!this.held.size) this.liftedAt = time;
  }

  /** Tells the steps at which nothing was pressed, up to this time. */
  advance(time: number): void {
    if (this.first === null) return;
    const patience = Math.min(PATIENCE, MOST_PATIENCE * this.seconds);
    while (time >= this.begin + this.next * this.seconds + patience) this.tellNext();
  }

  private canRevise(step: number): boolean {
    return this.first !== null && step > this.first && step !== this.lastNote && step !== this.revised;
  }

  private tellNext(): void {
    const { pending } = this;
    this.pending = null;
    if (pending !== null) this.note(this.next, pending, false);
    else {
      // Only a whole step without a key is a rest: what is shorter is articulation.
      const silence = this.begin + this.next * this.seconds - this.liftedAt;
      if (!this.held.size && silence >= this.seconds) this.isSilent = true;
      this.send(this.next, this.isSilent ? "rest" : "hold", null, false);
    }
    this.next++;
  }

  private note(step: number, pitch: number, again: boolean): void {
    this.isSilent = false;
    this.lastNote = step;
    this.send(step, "note", pitch, again);
  }

  private send(step: number, plays: Plays, pitch: number | null, again: boolean): void {
    this.tell({ step: step - (this.first ?? 0), plays, pitch, again });
  }
}
