/* Where the names of chords stand in a bar: each at its beat, and never in the way of the next one. Knows widths and places, in
   any unit of length, not how they are drawn. */

export const CHORD_GAP = 6; // between two names
const OUTDENT = 2; // to the left of the note's own left edge
const MOST_STRETCH = 3; // in one step, since notes do not spread evenly as a bar grows

/** Where places of a bar stand, in order. The last is the bar's end. */
export type Anchors = readonly { readonly onset: number; readonly x: number }[];

export interface MeasuredChord {
  readonly onset: number;
  readonly text: string;
  readonly width: number;
}

export interface PlacedChord extends MeasuredChord {
  readonly x: number;
}

/** The x of a place, between the two nearest anchors. */
export function placeAt(anchors: readonly { readonly onset: number; readonly x: number }[], onset: number): number {
  const after = anchors.findIndex((anchor) => anchor.onset > onset);
  const last = anchors.at(-1)?.x ?? 0;
  if (after < 0) return last;
  const [low, high] = [anchors[after - 1], anchors[after]];
  if (!low || !high) return anchors[0]?.x ?? 0;
  return low.x + ((high.x - low.x) * (onset - low.onset)) / (high.onset - low.onset);
}

/** How much wider the notes must be so that no name of a chord runs into the next. */
export function chordStretch(chords: readonly MeasuredChord[], anchors: Anchors): number {
  let stretch = 1;
  for (const [i, chord] of chords.entries()) {
    const next = chords[i + 1];
    const from = placeAt(anchors, chord.onset);
    const room = (next ? placeAt(anchors, next.onset) : (anchors.at(-1)?.x ?? from)) - from;
    if (room > 0) stretch = Math.max(stretch, (chord.width + CHORD_GAP) / room);
  }
  return Math.min(MOST_STRETCH, stretch);
}

/** Where the names of chords begin: at their beats, or else to the right of the name before. */
export function chordPlaces(chords: readonly MeasuredChord[], anchors: Anchors): PlacedChord[] {
  let free = 0;
  return chords.map((chord) => {
    const x = Math.max(free, placeAt(anchors, chord.onset) - OUTDENT);
    free = x + chord.width + CHORD_GAP;
    return { ...chord, x };
  });
}
