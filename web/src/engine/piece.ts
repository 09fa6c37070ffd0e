/* One piece, composed step by step (src/playbach/inference/generation.py does the same). It can go back to a bar line, to
   compose what follows again with other values. Knows nothing of time. */

import { MAX_ENDINGS_TRIED, TICKS_PER_QUARTER } from "./defaults";
import type { NoteEvent, PieceEvent, PieceStart } from "./events";
import type { Beginning, Engine, EngineEvent } from "./model";
import type { ChoiceRow } from "../protocol/messages";

/** The values that apply in a bar. */
export interface BarValues {
  readonly temperature: number;
  /** The length of the piece in bars, as it is known in this bar. */
  readonly bars: number;
}

/** All of a piece up to a point, without the engine's own state. */
interface Written {
  readonly notes: readonly NoteEvent[];
  readonly open: ReadonlyMap<number, OpenNote>;
  readonly choices: readonly (readonly ChoiceRow[])[]; // of the current onset, by slot
  readonly slot: number;
}

interface OpenNote extends EngineEvent {
  readonly choices: readonly ChoiceRow[];
}

interface BarLine {
  readonly state: Uint8Array;
  readonly tick: number;
  readonly written: Written;
}

/** The place of a voice's step in an onset of the chorale encoding, by track: soprano, alto, tenor, bass. */
const CHORALE_SLOTS = [0, 2, 3, 1];
const CHORALE_STEPS = 5; // of an onset, of which the last is the wait

export class ComposedPiece {
  readonly start: PieceStart;
  readonly beginning: Beginning;
  private readonly barLines = new Map<number, BarLine>();
  private written: Written = { notes: [], open: new Map(), choices: [], slot: 0 };
  private bar = -1; // that the last step began in
  private state: Uint8Array | null = null; // the engine's, while it composes another piece
  private tick = 0; // of the next step
  private end: number | null = null;

  constructor(
    private readonly engine: Engine,
    readonly seed: number,
    private readonly valuesAt: (bar: number) => BarValues,
  ) {
    this.beginning = engine.begin(seed);
    const { tracks, fields } = engine.about;
    this.start = {
      tracks: tracks.map((track, i) => ({ ...track, program: this.beginning.programs[i] ?? track.program })),
      velocities: fields.some((field) => field.name === "velocity"),
    };
    this.pause();
  }

  get finished(): boolean {
    return this.end !== null;
  }

  /** The tick before which nothing can still come. */
  get certain(): number {
    if (this.end !== null) return Infinity;
    return Math.min(this.tick, ...[...this.written.open.values()].map((note) => note.tick));
  }

  /** The events from a tick on that are certain. */
  events(from = 0): PieceEvent[] {
    const { certain } = this;
    const isNew = ({ tick }: PieceEvent): boolean => tick >= from && tick < certain;
    const sorted = this.written.notes.filter(isNew);
    sorted.sort((a, b) => a.tick - b.tick || a.track - b.track || a.pitch - b.pitch);
    const events: PieceEvent[] = [...this.opening().filter(isNew), ...sorted];
    events.sort((a, b) => a.tick - b.tick); // keeps the order of what begins together
    return this.end === null || from === Infinity ? events : [...events, { kind: "end", tick: this.end }];
  }

  /** Composes the rest of the current bar, or the whole last bar. */
  composeBar(): void {
    this.resume();
    const { engine } = this;
    const before = this.bar;
    while (!engine.finished) {
      if (engine.bar !== this.bar) {
        if (this.bar !== before) break;
        this.beginBar();
      }
      const { temperature } = this.valuesAt(this.bar);
      if (engine.isLastBar) this.composeEnding(temperature);
      else this.composeStep(temperature);
    }
    if (engine.finished) this.finish();
    this.pause();
  }

  /** Goes back to a bar line, so that this bar and what follows is composed again. */
  discardFrom(bar: number): void {
    const numbers = [...this.barLines.keys()];
    const earlier = numbers.filter((number) => number <= bar);
    const from = earlier.length ? Math.max(...earlier) : Math.min(...numbers);
    const line = this.barLines.get(from);
    if (!line) return;
    this.state = line.state;
    this.written = line.written;
    this.tick = line.tick;
    this.end = null;
    this.bar = -1;
    for (const number of this.barLines.keys()) if (number >= from) this.barLines.delete(number);
  }

  private opening(): PieceEvent[] {
    const { pickup, meter, tempo } = this.beginning;
    const [numerator, denominator] = meter;
    const tempos = [{ kind: "tempo", tick: 0, qpm: tempo } as const];
    const full = { kind: "meter", tick: pickup, numerator, denominator } as const;
    if (!pickup) return [full, ...tempos];
    return [{ kind: "meter", tick: 0, ...pickupMeter(pickup, denominator) }, ...tempos, full];
  }

  private beginBar(): void {
    const { engine } = this;
    this.bar = engine.bar;
    this.barLines.set(this.bar, { state: engine.snapshot(), tick: engine.tick, written: this.written });
    engine.endAfter(this.valuesAt(this.bar).bars);
  }

  private composeStep(temperature: number): void {
    const events = this.engine.compose(temperature);
    this.write(events, this.engine.choices());
  }

  /** Composes the last bar, again and again until its ending is good. */
  private composeEnding(temperature: number): void {
    const { engine } = this;
    const [state, written] = [engine.snapshot(), this.written];
    for (let i = 0; i < MAX_ENDINGS_TRIED; i++) {
      if (i) engine.restore(state, true);
      this.written = written;
      while (!engine.finished) this.composeStep(temperature);
      if (engine.endsWell) return;
    }
  }

  private finish(): void {
    if (this.end !== null) return;
    this.write(this.engine.finish(), []);
    const { bars } = this.valuesAt(this.bar);
    this.end = Math.max(bars * this.beginning.bar, ...this.written.notes.map((note) => note.tick + note.duration));
  }

  private write(events: readonly EngineEvent[], choices: readonly ChoiceRow[]): void {
    const { slot } = this.written;
    const isChorale = this.engine.about.encoding === "chorale";
    const onset = isChorale ? [...this.written.choices.slice(0, slot), choices] : [choices];
    const open = new Map(this.written.open);
    const notes = [...this.written.notes];
    for (const event of events) {
      const key = event.track * 128 + event.pitch;
      const begun = open.get(key);
      if (event.velocity > 0) {
        open.set(key, { ...event, choices: onset[isChorale ? (CHORALE_SLOTS[event.track] ?? 0) : 0] ?? [] });
      } else if (begun) {
        open.delete(key);
        const { tick, track, pitch, velocity } = begun;
        notes.push({ kind: "note", tick, track, pitch, velocity, duration: event.tick - tick, choices: begun.choices });
      }
    }
    this.written = { notes, open, choices: onset, slot: isChorale ? (slot + 1) % CHORALE_STEPS : 0 };
  }

  /** Keeps the engine's state, since another piece may use the engine next. */
  private pause(): void {
    this.state = this.engine.snapshot();
    this.tick = this.engine.tick;
  }

  private resume(): void {
    if (this.state) this.engine.restore(this.state);
  }
}

/** The meter of a pickup of so many ticks, with the denominator of the full bar or the smallest that fits. */
function pickupMeter(ticks: number, denominator: number): { numerator: number; denominator: number } {
  let smallest = denominator;
  while ((ticks * smallest) % (4 * TICKS_PER_QUARTER) && smallest < 128) smallest *= 2;
  return { numerator: Math.max(1, Math.round((ticks * smallest) / (4 * TICKS_PER_QUARTER))), denominator: smallest };
}
