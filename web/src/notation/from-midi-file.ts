/* The bars and voices of a MIDI file that the page writes, so that the same music can be notated. Knows no streams. */

import type { MidiFile } from "../music/midi-file";
import { TICKS_PER_QUARTER, type PlainBar, type PlainNote, type PlainVoice } from "./model";

const DRUM_CHANNEL = 9;
const MOST_BARS = 5000;

export interface PlainMusic {
  readonly bars: readonly PlainBar[];
  readonly voices: readonly PlainVoice[];
}

export function plainMusic(file: MidiFile): PlainMusic {
  const scale = TICKS_PER_QUARTER / file.ticksPerQuarter;
  const voices = file.tracks.map(({ name, program, channel }) => ({ name, program, drums: channel === DRUM_CHANNEL }));
  const notes = file.tracks.flatMap((track, voice) => track.notes.map(({ tick, duration, pitch, velocity }): PlainNote => ({
    voice, pitch, velocity, tick: tick * scale, ticks: duration * scale,
  })));
  const end = Math.max(0, ...notes.map((note) => note.tick + note.ticks));
  const meters = file.meters.map((meter) => ({ ...meter, tick: meter.tick * scale }));
  if (meters[0]?.tick !== 0) meters.unshift({ tick: 0, numerator: 4, denominator: 4 });
  const bars: PlainBar[] = [];
  for (const [i, { tick, numerator, denominator }] of meters.entries()) {
    const length = (TICKS_PER_QUARTER * 4 * numerator) / denominator;
    const until = meters[i + 1]?.tick ?? end;
    for (let begin = tick; begin < until && bars.length < MOST_BARS; begin += length) {
      const close = i + 1 < meters.length ? Math.min(begin + length, until) : begin + length;
      bars.push({
        tick: begin, ticks: close - begin, meter: [numerator, denominator],
        notes: notes.filter((note) => begin <= note.tick && note.tick < close),
        tempos: file.tempos.map((tempo) => [tempo.tick * scale, 0, tempo.qpm] as const)
          .filter(([at]) => begin <= at && at < close),
      });
    }
  }
  return { bars, voices };
}
