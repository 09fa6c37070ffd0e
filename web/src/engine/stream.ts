/* A programme with times in seconds, and parameters that change at bar lines (src/playbach/streaming/stream.py does the same).
   Knows no clock: the caller decides when a bar is due. */

import { LIMITS, type ChangeRow, type LastingParameter } from "../protocol/messages";
import { CADENCE_BARS, PERFORMANCE, TICKS_PER_QUARTER } from "./defaults";
import type { NoteEvent } from "./events";
import type { Programme, ProgrammeBar } from "./programme";

type TempoTime = readonly [tick: number, at: number, qpm: number];

export interface TimedNote {
  readonly note: NoteEvent;
  readonly at: number;
  readonly seconds: number;
}

export interface TimedBar {
  readonly bar: ProgrammeBar;
  readonly at: number;
  readonly seconds: number;
  /** When the next bar begins; after the last bar of a piece there is a pause before that. */
  readonly nextAt: number;
  readonly tempos: readonly TempoTime[];
  readonly temperature: number;
  readonly notes: readonly TimedNote[];
  readonly held: readonly TimedNote[];
}

interface BarRecord {
  readonly bar: TimedBar;
  readonly onsets: ReadonlyMap<string, number>;
}

const [, MOST_BARS] = LIMITS.bars;

export class Stream {
  private at = 0;
  private onsets: ReadonlyMap<string, number> = new Map();
  private readonly returned: BarRecord[] = [];

  constructor(
    readonly programme: Programme,
    private readonly defaultTemperature: number,
  ) {}

  /** When the next bar begins. */
  get nextAt(): number {
    return this.at;
  }

  next(): TimedBar {
    const bar = this.programme.next();
    const timed = this.withTimes(bar);
    this.returned.push({ bar: timed, onsets: this.onsets });
    const end = bar.last ? Infinity : bar.tick + bar.ticks;
    const sounding = [...timed.held, ...timed.notes].filter(({ note }) => note.tick + note.duration >= end);
    this.onsets = new Map(sounding.map(({ note, at }) => [noteKey(note), at]));
    this.at = timed.nextAt;
    return timed;
  }

  /** Forgets bars that begin before this time; no change will affect them. */
  forgetBefore(time: number): void {
    while (this.returned.length > 1 && (this.returned[1]?.bar.at ?? Infinity) <= time) this.returned.shift();
    const first = this.returned[0];
    if (first) this.programme.forgetBefore(first.bar.bar.piece);
  }

  /** Changes a parameter at the first bar line from `earliest` on, and goes back there; null if nothing changes. */
  change(parameter: LastingParameter, value: number | null, earliest: number): ChangeRow | null {
    const [index, [piece, bar]] = this.firstBarFrom(earliest);
    if (this.programme.valueAt(parameter, piece, bar) === value) return null;
    return this.apply([piece, bar, parameter, value], index);
  }

  /** Ends the piece that sounds now with a cadence; null if it ends as soon anyway. */
  endPieceSoon(earliest: number, now: number): ChangeRow | null {
    const [index, [piece, bar]] = this.firstBarFrom(earliest);
    const current = this.returned.find((record) => now < record.bar.nextAt)?.bar.bar.piece ?? piece;
    const length = this.programme.valueAt("length", piece, bar) ?? this.programme.settings.bars;
    const ending = bar + CADENCE_BARS;
    if (current !== piece || ending >= length || ending > MOST_BARS) return null;
    return this.apply([piece, bar, "length", ending], index);
  }

  private firstBarFrom(earliest: number): [index: number, position: readonly [number, number]] {
    const index = this.returned.findIndex((record) => record.bar.at >= earliest);
    const found = this.returned[index]?.bar.bar;
    return found ? [index, [found.piece, found.number]] : [this.returned.length, this.programme.position];
  }

  private apply(change: ChangeRow, index: number): ChangeRow {
    const [piece, bar, parameter] = change;
    const kept = this.programme.changes.filter(([p, b, name]) => name !== parameter || p < piece || (p === piece && b < bar));
    this.programme.changes = [...kept, change];
    const record = this.returned[index];
    if (record) {
      this.at = record.bar.at;
      this.onsets = record.onsets;
      this.returned.splice(index);
    }
    this.programme.goBackTo(piece, record ? record.bar.bar.number : bar);
    return change;
  }

  private withTimes(bar: ProgrammeBar): TimedBar {
    const own = bar.composed.beginning.tempo;
    const factor = (this.programme.valueAt("tempo", bar.piece, bar.number) ?? own) / own;
    const tempos: TempoTime[] = [];
    let [at, tick] = [this.at, bar.tick];
    for (const [i, tempo] of bar.tempos.entries()) {
      const before = tempos.at(-1);
      if (i && before) at += (tempo.tick - tick) * secondsPerTick(before[2]);
      tick = tempo.tick;
      tempos.push([tick, at, tempo.qpm * factor]);
    }
    const end = timeOf(bar.tick + bar.ticks, tempos);
    const breath = bar.last ? PERFORMANCE.breathQuarters * TICKS_PER_QUARTER * secondsPerTick(own * factor) : 0;
    return {
      bar,
      at: this.at,
      seconds: end - this.at,
      nextAt: end + breath,
      tempos,
      temperature: this.programme.valueAt("temperature", bar.piece, bar.number) ?? this.defaultTemperature,
      notes: bar.notes.map((note) => timedNote(note, timeOf(note.tick, tempos), tempos)),
      held: bar.held.map((note) => timedNote(note, this.onsets.get(noteKey(note)) ?? timeOf(note.tick, tempos), tempos)),
    };
  }
}

function noteKey({ track, pitch, tick }: NoteEvent): string {
  return `${track}:${pitch}:${tick}`;
}

function secondsPerTick(qpm: number): number {
  return 60 / qpm / TICKS_PER_QUARTER;
}

/** The time of a tick. Ticks outside the bar are timed with its first or last tempo. */
function timeOf(tick: number, tempos: readonly TempoTime[]): number {
  const [begin, at, qpm] = tempos.findLast((tempo) => tempo[0] <= tick) ?? tempos[0] ?? [0, 0, 120];
  return at + (tick - begin) * secondsPerTick(qpm);
}

function timedNote(note: NoteEvent, at: number, tempos: readonly TempoTime[]): TimedNote {
  return { note, at, seconds: timeOf(note.tick + note.duration, tempos) - at };
}
