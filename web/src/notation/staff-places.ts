/* Where the staves of a score stand, one below the other, so that no note of one reaches into the next. Knows the written bars,
   not how they are drawn. In staff spaces: five lines are four spaces apart. */

import type { Clef, NotatedBar, NotatedScore, Part, SpelledPitch } from "./model";

/** A staff of a part. */
export interface StaffPlace {
  readonly part: number;
  /** 1 or 2. */
  readonly staff: number;
  /** Of its top line. */
  readonly top: number;
}

export interface StaffPlaces {
  readonly staves: readonly StaffPlace[];
  /** The lowest place at which names of chords stand clear of the notes. */
  readonly chords: number;
  readonly height: number;
}

export const STAFF_SPACES = 4;
const STEM = 3.5; // what a stem, a tie or a rest needs beyond a note
const GAP = 1; // between what two staves need
/** The least that a staff needs above and below itself, and the steps in which it needs more: as more of a piece comes, its
 *  staves should seldom move, since all its bars are then drawn again. */
const LEAST = { above: 2, below: 2 } as const;
const REACH_STEP = 2;
const LEAST_BETWEEN_STAVES = 5.5;
const LEAST_BETWEEN_PARTS = 6;
const CHORD_ROW = 2.2;
const TOP_ROW = 1.8; // for tempos
const STEP_OF_LETTER = { C: 0, D: 1, E: 2, F: 3, G: 4, A: 5, B: 6 } as const;

/** Of each staff, how many spaces its notes reach above and below it. */
export type Reach = readonly { readonly above: number; readonly below: number }[];

const known = new WeakMap<NotatedBar, Reach>();

/** How far a score's notes reach. */
export function reachOfScore({ parts, bars }: NotatedScore): Reach {
  let reach: Reach = [];
  for (const bar of bars) {
    const own = known.get(bar) ?? reachOf(parts, bar);
    known.set(bar, own);
    reach = widerReach(reach, own);
  }
  return reach;
}

/** How far a bar's notes reach. */
function reachOf(parts: readonly Part[], bar: NotatedBar): Reach {
  return parts.flatMap((part, p) => {
    const content = bar.parts[p];
    return Array.from({ length: part.staves }, (_, s) => {
      let { above, below }: { above: number; below: number } = LEAST;
      const clef = content?.clefs[s];
      for (const voice of content?.voices ?? []) {
        if (voice.staff !== s + 1 || !clef) continue;
        for (const { spelled } of voice.symbols.flatMap((symbol) => symbol.heads)) {
          const place = spacesBelowTop(spelled, clef);
          // A stem towards the staff does not reach beyond it.
          above = Math.max(above, -place + (voice.stem === "up" ? STEM : 0.8));
          below = Math.max(below, place - STAFF_SPACES + (voice.stem === "down" ? STEM : 0.8));
        }
      }
      return { above: stepped(above), below: stepped(below) };
    });
  });
}

function stepped(spaces: number): number {
  return Math.ceil(spaces / REACH_STEP) * REACH_STEP;
}

/** What both need. */
export function widerReach(a: Reach, b: Reach): Reach {
  if (a.length !== b.length) return b;
  return a.map((own, i) => ({
    above: Math.max(own.above, b[i]?.above ?? 0), below: Math.max(own.below, b[i]?.below ?? 0),
  }));
}

export function staffPlaces({ parts }: NotatedScore, reach: Reach): StaffPlaces {
  const staves: StaffPlace[] = [];
  const first = reach[0] ?? LEAST;
  let y = TOP_ROW + CHORD_ROW + Math.ceil(first.above);
  for (const [part, { staves: count }] of parts.entries()) {
    for (let staff = 1; staff <= count; staff++) {
      const own = reach[staves.length] ?? LEAST;
      const before = reach[staves.length - 1];
      if (before) {
        const least = staff > 1 ? LEAST_BETWEEN_STAVES : LEAST_BETWEEN_PARTS;
        y += STAFF_SPACES + Math.max(least, Math.ceil(before.below + own.above - GAP));
      }
      staves.push({ part, staff, top: y });
    }
  }
  const last = reach[staves.length - 1] ?? LEAST;
  return { staves, chords: TOP_ROW + CHORD_ROW - 0.4, height: y + STAFF_SPACES + Math.ceil(last.below) + 0.5 };
}

/** Where a note stands, in spaces below the top line. */
export function spacesBelowTop({ step, octave }: SpelledPitch, clef: Clef): number {
  // The pitch on the middle line: B4, D3, C4 or A3.
  const middle = clef.sign === "F" ? 3 * 7 + 1 : clef.sign === "C" ? 4 * 7 - 2 * (clef.line - 3) : 4 * 7 + 6;
  const written = (octave - clef.octave) * 7 + STEP_OF_LETTER[step];
  return 2 - (written - middle) / 2;
}

const [SMALLEST_STAFF, LARGEST_STAFF] = [22, 40]; // pixels
const NARROW = 600;
const LARGEST_NARROW_STAFF = 26;
const HEADING_HEIGHT = 30;

/** The height of a staff with which a score fills a frame, in pixels. */
export function staffHeightFor(score: NotatedScore, height: number, width: number): number {
  const fitting = ((height - HEADING_HEIGHT) * STAFF_SPACES) / staffPlaces(score, reachOfScore(score)).height;
  return Math.round(Math.max(SMALLEST_STAFF, Math.min(width < NARROW ? LARGEST_NARROW_STAFF : LARGEST_STAFF, fitting)));
}
