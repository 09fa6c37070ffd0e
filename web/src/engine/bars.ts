/* Splits the performed events of a piece into bars (src/playbach/streaming/programme.py does the same). */

import { barTicks, type MeterEvent, type NoteEvent, type PieceEvent, type TempoEvent } from "./events";

export interface ComposedBar {
  /** 1 is the first full bar; a pickup is bar 0. */
  readonly number: number;
  readonly tick: number;
  /** Its length; the last bar reaches to the end of the piece. */
  readonly ticks: number;
  readonly meter: MeterEvent;
  /** The first is the tempo in force at the beginning of the bar. */
  readonly tempos: readonly TempoEvent[];
  readonly notes: readonly NoteEvent[];
  /** Notes of earlier bars that still sound when this bar begins. */
  readonly held: readonly NoteEvent[];
  readonly last: boolean;
}

/** Splits a piece whose events come one by one. */
export class BarSplitter {
  private builder: BarBuilder | null = null;

  /** The bars that are complete when this event comes. */
  *take(event: PieceEvent): Generator<ComposedBar> {
    const { builder } = this;
    if (!builder) {
      if (event.kind === "meter") this.builder = new BarBuilder(event);
      return;
    }
    yield* builder.finishBars(event);
    if (event.kind === "tempo") builder.addTempo(event);
    else if (event.kind === "note") builder.notes.push(event);
  }
}

class BarBuilder {
  notes: NoteEvent[] = [];
  private begin: number;
  private number = -1;
  private tempos: TempoEvent[] = [];
  private held: NoteEvent[] = [];

  constructor(private meter: MeterEvent) {
    this.begin = meter.tick;
  }

  addTempo(event: TempoEvent): void {
    this.tempos = [...this.tempos.filter((tempo) => tempo.tick < event.tick), event];
  }

  *finishBars(event: PieceEvent): Generator<ComposedBar> {
    const isEnd = event.kind === "end";
    while (this.begin + barTicks(this.meter) < event.tick + (isEnd ? 0 : 1)) {
      yield this.finish(this.begin + barTicks(this.meter), event);
    }
    if (event.kind === "meter") {
      if (event.tick > this.begin) yield this.finish(event.tick, event);
      this.meter = event;
    } else if (isEnd) {
      yield this.finish(event.tick, event, true);
    }
  }

  private finish(end: number, event: PieceEvent, last = false): ComposedBar {
    if (this.number < 0) {
      const isPickup = event.kind === "meter" && event.tick === end && barTicks(event) > barTicks(this.meter);
      this.number = isPickup ? 0 : 1;
    }
    const { number, meter, tempos, notes, held } = this;
    const bar = { number, tick: this.begin, ticks: end - this.begin, meter, tempos, notes, held, last };
    this.held = [...held, ...notes].filter((note) => note.tick + note.duration > end);
    const tempo = tempos.at(-1);
    this.tempos = tempo ? [{ ...tempo, tick: end }] : [];
    this.begin = end;
    this.number++;
    this.notes = [];
    return bar;
  }
}
