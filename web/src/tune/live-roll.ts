/* A piano roll of what is played now: notes that have begun, and not yet ended. Times are audio times. */

import { Timeline, type Note } from "../music/timeline";
import type { Beat } from "./metronome";

const MOST_BARS = 48;

export class LiveRoll {
  readonly timeline = new Timeline();
  private notes: Note[] = []; // of the last bar
  private readonly sounding = new Map<string, Note>();
  private begin = 0;
  private barSeconds = 1;
  private meter: Beat["meter"] = [4, 4];

  /** Clears the roll; bars begin at this time. */
  start(begin: number, barSeconds: number, meter: Beat["meter"]): void {
    this.timeline.clear();
    this.sounding.clear();
    this.begin = begin;
    this.barSeconds = barSeconds;
    this.meter = meter;
  }

  /** A voice begins a note, and ends the one before. `key` says which note of it ends, if it can have several. */
  beginNote(voice: number, pitch: number, time: number, key = ""): void {
    this.endNote(voice, time, key);
    this.addBars(time);
    const note: Note = { voice, pitch, velocity: 80, tick: 0, time, chosen: [], ticks: 1, seconds: 0.02, scheduled: true };
    this.notes.push(note);
    this.sounding.set(`${voice} ${key}`, note);
  }

  endNote(voice: number, time: number, key = ""): void {
    const note = this.sounding.get(`${voice} ${key}`);
    if (note) note.seconds = Math.max(0.02, time - note.time);
    this.sounding.delete(`${voice} ${key}`);
  }

  /** To be called before it is drawn. */
  advance(time: number): void {
    this.addBars(time);
    for (const note of this.sounding.values()) note.seconds = Math.max(0.02, time - note.time);
  }

  private addBars(time: number): void {
    const { bars } = this.timeline;
    for (;;) {
      const number = bars.length ? (bars.at(-1)?.bar ?? 0) + 1 : 1;
      const begins = this.begin + (number - 1) * this.barSeconds;
      if (begins > time && bars.length) return;
      this.notes = [];
      bars.push({
        piece: 0, bar: number, time: begins, seconds: this.barSeconds, tick: 0, ticks: 1, meter: this.meter, last: false,
        tempos: [], temperature: 1, notes: this.notes,
      });
      if (bars.length > MOST_BARS) bars.shift();
    }
  }
}
