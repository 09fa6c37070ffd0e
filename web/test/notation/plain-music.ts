/* Music for tests: voices, notes that are the same in every run, and what a score says that sounds. */

import { expect } from "vitest";
import { NATURALS, UNITS_PER_TICK, type Head, type NotatedScore, type PlainBar, type PlainNote, type PlainVoice } from "../../src/notation/model";

export const CHOIR: PlainVoice[] = ["Soprano", "Alto", "Tenor", "Bass"].map((name) => ({ name, program: 52, drums: false }));
export const PIANO: PlainVoice = { name: "Piano", program: 0, drums: false };
export const FLUTE: PlainVoice = { name: "Flute", program: 73, drums: false };
export const DRUMS: PlainVoice = { name: "Drums", program: 0, drums: true };

/** Pseudorandom numbers from 0 to 1: the same in every run. */
export function randomNumbers(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

export function barsOf(notes: readonly PlainNote[], count: number, meter: [number, number] = [4, 4]): PlainBar[] {
  const ticks = (1920 * meter[0]) / meter[1];
  return Array.from({ length: count }, (_, i) => ({
    tick: i * ticks, ticks, meter, notes: notes.filter((note) => Math.floor(note.tick / ticks) === i),
  }));
}

/** Lines on a grid: each voice one note after the other, with rests between some. */
export function lines(seed: number, voices: number, bars: number, grid: number, barTicks = 1920): PlainNote[] {
  const random = randomNumbers(seed);
  const notes: PlainNote[] = [];
  for (let voice = 0; voice < voices; voice++) {
    for (let tick = 0; tick < bars * barTicks; ) {
      const ticks = Math.min(grid * (1 + Math.floor(random() * 6)), bars * barTicks - tick);
      const pitch = 76 - 9 * voice + Math.floor(random() * 9) - 4;
      if (random() < 0.85) notes.push({ voice, pitch, tick, ticks });
      tick += ticks;
    }
  }
  return notes;
}

export function pitchOf({ spelled: { step, alter, octave } }: Head): number {
  return 12 * (octave + 1) + NATURALS[step] + alter;
}

/** What a score says that sounds: its heads, with tied ones joined. */
export function sounding(score: NotatedScore): string[] {
  const found: string[] = [];
  const open = new Map<string, { tick: number; ticks: number }>();
  for (const bar of score.bars) {
    for (const voice of bar.parts.flatMap((part) => part.voices)) {
      for (const symbol of voice.symbols) {
        for (const head of symbol.heads) {
          const name = `${head.voice}:${pitchOf(head)}`;
          const tick = bar.tick + symbol.onset / UNITS_PER_TICK;
          const ticks = symbol.length / UNITS_PER_TICK;
          const line = `${voice.number}/${name}`; // a pitch may sound in one voice, and be tied in another
          const before = open.get(line);
          expect(head.tiedFrom).toBe(before !== undefined && before.tick + before.ticks === tick);
          const note = before ?? { tick, ticks: 0 };
          note.ticks += ticks;
          if (head.tiedTo) open.set(line, note);
          else {
            found.push(`${name}:${note.tick}:${note.ticks}`);
            open.delete(line);
          }
        }
      }
    }
  }
  expect(open.size).toBe(0);
  return found.sort();
}
