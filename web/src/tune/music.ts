/* Music of one tempo and one meter in ticks, as the bars that the timeline, the piano roll and the scheduler know. */

import type { BarMessage, EndMessage, PieceMessage, Voice, WireNote } from "../protocol/messages";

export interface Music {
  readonly voices: readonly Voice[];
  readonly notes: readonly (readonly [voice: number, pitch: number, tick: number, ticks: number])[];
  readonly meter: readonly [numerator: number, denominator: number];
  /** In ticks; 0: it begins with a full bar. */
  readonly pickup: number;
  /** Quarter notes a minute. */
  readonly tempo: number;
}

export interface MusicMessages {
  readonly piece: PieceMessage;
  readonly bars: readonly BarMessage[];
  readonly end: EndMessage;
}

export const CHOIR = 52; // the program of General MIDI
const VELOCITY = 80;
const TICKS_PER_QUARTER = 480;

export function secondsPerTick(tempo: number): number {
  return 60 / tempo / TICKS_PER_QUARTER;
}

/** The end of the last note, in ticks. */
export function endOf(music: Music): number {
  return Math.max(0, ...music.notes.map(([, , tick, ticks]) => tick + ticks));
}

/** The messages of the music as a piece that begins at 0 s. */
export function messagesOf(music: Music, seed = 0): MusicMessages {
  const each = secondsPerTick(music.tempo);
  const barTicks = (4 * TICKS_PER_QUARTER * music.meter[0]) / music.meter[1];
  const end = endOf(music);
  const bars: BarMessage[] = [];
  let tick = 0;
  for (let number = music.pickup ? 0 : 1; tick < end; number++) {
    const ticks = number ? barTicks : music.pickup;
    const last = tick + ticks >= end;
    bars.push({
      type: "bar", piece: 0, bar: number, at: tick * each, seconds: ticks * each, tick, ticks, last, held: [], now: 0,
      meter: music.meter, tempos: [[tick, tick * each, music.tempo]], temperature: 1,
      notes: music.notes.filter((note) => tick <= note[2] && note[2] < tick + ticks).map((note) => wireNote(note, each)),
    });
    tick += ticks;
  }
  return {
    piece: {
      type: "piece", piece: 0, seed, bars: bars.length, at: 0, tempo: music.tempo, voices: music.voices, velocities: false,
    },
    bars,
    end: { type: "end", piece: 0, at: end * each, next: tick * each + 1 },
  };
}

function wireNote([voice, pitch, tick, ticks]: Music["notes"][number], each: number): WireNote {
  return { voice, pitch, velocity: VELOCITY, tick, ticks, at: tick * each, seconds: ticks * each, chosen: [] };
}
