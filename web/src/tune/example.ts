/* A tune to begin with: the 134th psalm of Geneva (Louis Bourgeois, 1551), known as Old Hundredth. */

import type { Tune, TuneNote } from "../protocol/messages";

const QUARTER = 480; // ticks
const PHRASES = [
  [67, 67, 66, 64, 62, 67, 69, 71],
  [71, 71, 71, 69, 67, 72, 71, 69],
  [67, 69, 71, 69, 67, 64, 66, 67],
  [74, 71, 67, 69, 72, 71, 69, 67],
];
const NOTES = PHRASES.flat();

/** Quarters, but for the last note. A phrase ends with a fermata. */
export const EXAMPLE: Tune = {
  notes: NOTES.map((pitch, i): TuneNote => [i * QUARTER, i === NOTES.length - 1 ? 2 * QUARTER : QUARTER, pitch]),
  meter: [4, 4],
  pickup: QUARTER,
  fifths: 1,
  tempo: 84,
  fermatas: PHRASES.map((phrase, i) => ((i + 1) * phrase.length - 1) * QUARTER),
  title: "Old Hundredth",
};
