/* Divides the notes of a keyboard between two hands, and so between two staves, as in Python's music/notation/hands.py. At each
   onset a pitch separates the hands; the cheapest sequence of these pitches is found by dynamic programming.

   Knows pitches and onsets only. */

import { UNITS } from "./model";
import type { PlacedNote } from "./quantising";

/** Pitches from which on notes are the right hand's: G2 to G5. */
const BORDERS = Array.from({ length: 37 }, (_, i) => 43 + i);
const MIDDLE = 60;
const SPAN = 12; // semitones that a hand reaches with ease
const ALONE = 4 * UNITS; // a hand is alone where the other one begins nothing for this long
/** What a right hand alone does not play below, and a left hand alone not above. */
const [TOO_LOW, TOO_HIGH] = [53, 67];
const [SPAN_COST, FAR_COST, MOVE_COST, NEAR_COST, WRONG_SIDE_COST] = [4, 0.12, 0.5, 1.5, 0.35];

type Hands = readonly [right: PlacedNote[], left: PlacedNote[]];

/** The notes of the right hand and of the left hand, in order. */
export function splitHands(notes: readonly PlacedNote[]): Hands {
  const groups = new Map<number, PlacedNote[]>();
  for (const note of notes) groups.set(note.begin, [...(groups.get(note.begin) ?? []), note]);
  const onsets = [...groups.keys()].sort((a, b) => a - b);
  let total = BORDERS.map(() => 0);
  const back: number[][] = [];
  for (const onset of onsets) {
    const pitches = (groups.get(onset) ?? []).map((note) => note.pitch);
    const came = BORDERS.map((_, to) => {
      let best = 0;
      for (let from = 1; from < BORDERS.length; from++) {
        if (moved(total, from, to) < moved(total, best, to)) best = from;
      }
      return best;
    });
    back.push(came);
    total = BORDERS.map((border, to) => moved(total, came[to] ?? 0, to) + costOf(pitches, border));
  }
  let at = total.indexOf(Math.min(...total));
  const hands: Hands = [[], []];
  const borders = new Map<number, number>();
  for (let i = onsets.length - 1; i >= 0; i--) {
    borders.set(onsets[i] ?? 0, BORDERS[at] ?? MIDDLE);
    at = back[i]?.[at] ?? at;
  }
  for (const onset of onsets) {
    for (const note of groups.get(onset) ?? []) hands[note.pitch >= (borders.get(onset) ?? MIDDLE) ? 0 : 1].push(note);
  }
  return hands;
}

function moved(total: readonly number[], from: number, to: number): number {
  return (total[from] ?? 0) + MOVE_COST * Math.abs(from - to);
}

/** The cost of a border for the pitches of one onset. */
function costOf(pitches: readonly number[], border: number): number {
  const right = pitches.filter((pitch) => pitch >= border);
  const left = pitches.filter((pitch) => pitch < border);
  let cost = FAR_COST * Math.abs(border - MIDDLE);
  for (const own of [right, left]) {
    if (own.length) cost += SPAN_COST * Math.max(Math.max(...own) - Math.min(...own) - SPAN, 0);
  }
  // A border that cuts through a narrow interval divides one hand's chord.
  if (right.length && left.length) cost += NEAR_COST * Math.max(5 - (Math.min(...right) - Math.max(...left)), 0);
  for (const pitch of right) cost += WRONG_SIDE_COST * Math.max(MIDDLE - 5 - pitch, 0);
  for (const pitch of left) cost += WRONG_SIDE_COST * Math.max(pitch - MIDDLE - 4, 0);
  return cost;
}

/** Both hands, with the notes of one that plays alone, and far into the other's range, divided between them. */
export function mendHands(right: readonly PlacedNote[], left: readonly PlacedNote[]): Hands {
  const together = [...right, ...left].sort((a, b) => a.begin - b.begin || a.pitch - b.pitch);
  const divided = splitHands(together);
  const isLeft = new Set(divided[1]);
  const result: Hands = [[], []];
  for (const [hand, [notes, others]] of [[right, left], [left, right]].entries()) {
    const begins = (others ?? []).map((note) => note.begin).sort((a, b) => a - b);
    for (const { alone, own } of regions(notes ?? [], begins)) {
      const isFar = alone && own.some((n) => (hand === 0 ? n.pitch < TOO_LOW : n.pitch > TOO_HIGH));
      for (const note of own) result[(isFar ? isLeft.has(note) : hand === 1) ? 1 : 0].push(note);
    }
  }
  for (const hand of result) hand.sort((a, b) => a.begin - b.begin || a.pitch - b.pitch);
  return result;
}

/** The notes of one hand in order, where it is alone and where it is not.
 *  @param others the onsets of the other hand. */
function regions(notes: readonly PlacedNote[], others: readonly number[]): { alone: boolean; own: PlacedNote[] }[] {
  const found: { alone: boolean; own: PlacedNote[] }[] = [];
  for (const note of notes) {
    const next = others.find((onset) => onset >= note.begin);
    const alone = next === undefined || next > note.begin + ALONE;
    const last = found.at(-1);
    if (last?.alone === alone) last.own.push(note);
    else found.push({ alone, own: [note] });
  }
  return found;
}
