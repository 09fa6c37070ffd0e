/* Names the notes of a piece: which of G♯ and A♭ each is. The algorithm is ps13s1 of David Meredith, as in Python's
   music/notation/spelling.py: each note takes the letter that is the likeliest on the scales of the notes around it, where
   each pitch class counts as a tonic as often as it sounds.

   Knows pitches and keys, no rhythm. */

import { NATURALS, type SpelledPitch, type Step } from "./model";
import type { PlacedNote } from "./quantising";

/** How many notes before a note, and after it with itself, are counted. */
export const BEFORE = 10;
const AFTER = 42;
const LETTERS: readonly Step[] = ["C", "D", "E", "F", "G", "A", "B"];
/** How many letters above the tonic a pitch class is written: the harmonic chromatic scale. */
const DEGREES = [0, 1, 1, 2, 2, 3, 3, 4, 5, 5, 6, 6] as const;
const MOST_ALTER = 2;
const SIGNATURE_ORDER: readonly Step[] = ["F", "C", "G", "D", "A", "E", "B"];

/** The names of notes. */
export type SpelledNotes = ReadonlyMap<PlacedNote, SpelledPitch>;

/** The names that notes were given before, by what `nameOf` gives. */
export type SettledNames = Map<string, SpelledPitch>;

export function nameOf(note: PlacedNote): string {
  return `${note.voice}:${note.begin}:${note.pitch}`;
}

/** The names of notes, in the order of their onsets, from low to high at each.
 *  @param fifths the key signature at each note. */
export function spellNotes(pitches: readonly number[], fifths: readonly number[]): SpelledPitch[] {
  const counts = new Array<number>(12).fill(0);
  const count = (at: number, by: number): void => {
    const pitch = pitches[at];
    if (pitch !== undefined) counts[pitch % 12] = (counts[pitch % 12] ?? 0) + by;
  };
  for (let at = 0; at < AFTER; at++) count(at, 1);
  return pitches.map((pitch, at) => {
    if (at) count(at + AFTER - 1, 1);
    if (at > BEFORE) count(at - BEFORE - 1, -1);
    return nearest(pitch, letterStrengths(pitch, fifths[at] ?? 0, counts));
  });
}

/** How likely each letter is for a pitch: how often the tonics sound on whose scales it has that letter. */
function letterStrengths(pitch: number, fifths: number, counts: readonly number[]): number[] {
  const tonicClass = mod(7 * fifths, 12);
  const tonicLetter = mod(4 * fifths, 7);
  const strengths = new Array<number>(7).fill(0);
  for (const [tonic, weight] of counts.entries()) {
    // The letter of this pitch class as a tonic, so that the key's tonic has its own letter on that scale.
    const own = mod(tonicLetter - (DEGREES[mod(tonicClass - tonic, 12)] ?? 0), 7);
    const letter = (own + (DEGREES[mod(pitch - tonic, 12)] ?? 0)) % 7;
    strengths[letter] = (strengths[letter] ?? 0) + weight;
  }
  return strengths;
}

/** The pitch with the likeliest letter for which a double sharp or double flat is enough. */
function nearest(pitch: number, strengths: readonly number[]): SpelledPitch {
  let best: SpelledPitch | null = null;
  let strength = -1;
  for (const [i, step] of LETTERS.entries()) {
    const alter = mod(pitch - NATURALS[step] + 6, 12) - 6;
    const own = strengths[i] ?? 0;
    if (Math.abs(alter) > MOST_ALTER || own <= strength) continue;
    strength = own;
    best = { step, alter, octave: (pitch - alter - NATURALS[step]) / 12 - 1 };
  }
  return best ?? { step: "C", alter: 0, octave: 4 };
}

/** What a key signature makes of a letter: 1 for sharp, -1 for flat, 0 for natural. */
export function signatureAlter(step: Step, fifths: number): number {
  const place = SIGNATURE_ORDER.indexOf(step);
  if (place < fifths) return 1;
  return 6 - place < -fifths ? -1 : 0;
}

function mod(value: number, by: number): number {
  return ((value % by) + by) % by;
}
