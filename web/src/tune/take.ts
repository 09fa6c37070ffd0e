/* A tune that was played to a metronome: from keys and times to notes on sixteenths. Knows no clock. */

import type { TimedNote } from "./entry";

const SIXTEENTH = 120; // ticks
const LEGATO = 2; // sixteenths: a shorter silence between two notes is articulation and no rest

interface Press {
  readonly pitch: number;
  readonly begin: number;
  end: number | null;
}

export interface TakenTune {
  readonly notes: readonly TimedNote[];
  /** In sixteenths: notes before the first downbeat begin so long before it. */
  readonly pickup: number;
}

/** Takes down what is played. Times are in seconds from the first downbeat. */
export class Take {
  private readonly presses: Press[] = [];

  get isEmpty(): boolean {
    return this.presses.length === 0;
  }

  /** When something was pressed or lifted last. */
  get last(): number {
    return Math.max(-Infinity, ...this.presses.map(({ begin, end }) => end ?? begin));
  }

  get holds(): boolean {
    return this.presses.some(({ end }) => end === null);
  }

  press(pitch: number, time: number): void {
    this.presses.push({ pitch, begin: time, end: null });
  }

  lift(pitch: number, time: number): void {
    const press = this.presses.findLast((p) => p.pitch === pitch && p.end === null);
    if (press) press.end = time;
  }

  /** The notes, one at a time: each ends where the next one begins. `beat` is in sixteenths. */
  tune(sixteenth: number, beat: number, now: number): TakenTune {
    const notes: { pitch: number; begin: number; end: number }[] = [];
    for (const press of [...this.presses].sort((a, b) => a.begin - b.begin)) {
      const begin = Math.round(press.begin / sixteenth);
      const end = Math.max(begin + 1, Math.round((press.end ?? now) / sixteenth));
      const before = notes.at(-1);
      if (before?.begin === begin) notes.pop(); // of two in one sixteenth, the later one
      notes.push({ pitch: press.pitch, begin, end });
    }
    const early = Math.min(0, ...notes.map(({ begin }) => begin));
    const pickup = Math.ceil(-early / beat) * beat;
    return { pickup, notes: notes.map((note, i) => timed(note, notes[i + 1]?.begin, pickup)) };
  }
}

function timed(note: { pitch: number; begin: number; end: number }, next: number | undefined, pickup: number): TimedNote {
  const end = next !== undefined && next - note.end < LEGATO ? next : note.end;
  return [(note.begin + pickup) * SIXTEENTH, (end - note.begin) * SIXTEENTH, note.pitch];
}
