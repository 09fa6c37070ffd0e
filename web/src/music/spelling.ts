/* Names pitches by key: which of F♯ and G♭ a pitch is. The key is estimated from the notes as in Python's music/keys.py and
   music/notation/spelling.py, with the same profiles.

   Knows pitches and lengths, no voices and no rhythm. */

export interface Key {
  /** Sharps of the key signature, or flats below 0; from -6 to 6. */
  readonly fifths: number;
  readonly minor: boolean;
}

export interface SpelledPitch {
  readonly step: Step;
  /** Sharps, or flats below 0. */
  readonly alter: number;
  /** Octave 4 begins with middle C. */
  readonly octave: number;
}

export type Step = (typeof LINE_OF_FIFTHS)[number];

/** What the estimate of a key needs of a note. */
interface HeardNote {
  readonly pitch: number;
  readonly ticks: number;
}

export const C_MAJOR: Key = { fifths: 0, minor: false };

const LINE_OF_FIFTHS = ["F", "C", "G", "D", "A", "E", "B"] as const;
const NATURALS: Readonly<Record<Step, number>> = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 };

/** The share of each pitch class, from the tonic upwards by semitones (Albrecht and Shanahan). */
const MAJOR_PROFILE = [0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081];
const MINOR_PROFILE = [0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052];
const MAJOR_SCALE = [0, 2, 4, 5, 7, 9, 11];

/** Of the music's weight: by how much more of it another signature must cover than the key's own. */
const CLEARLY = 0.05;
/** Of the twelve neighbours on the line of fifths that spell a key's pitches, how many lie below its major tonic. A minor
 *  key needs one sharp more, for the dominant of its dominant. */
const FLATWARD = { major: 3, minor: 2 } as const;

/** The likeliest key, C major without notes. A tune in D dorian has no flat, although its key is D minor. */
export function keyOf(notes: Iterable<HeardNote>): Key {
  const weights = new Array<number>(12).fill(0);
  for (const { pitch, ticks } of notes) weights[pitch % 12] = (weights[pitch % 12] ?? 0) + ticks;
  return keyOfWeights(weights);
}

/** The likeliest key of music, from how long each pitch class sounds in it. */
export function keyOfWeights(weights: readonly number[]): Key {
  if (Math.max(...weights) === Math.min(...weights)) return C_MAJOR;
  let best = { tonic: 0, minor: false, score: -Infinity };
  for (const minor of [false, true]) {
    for (let tonic = 0; tonic < 12; tonic++) {
      const score = correlation(weights, tonic, minor ? MINOR_PROFILE : MAJOR_PROFILE);
      if (score > best.score) best = { tonic, minor, score };
    }
  }
  return { fifths: signature(weights, fifthsOf(best.tonic, best.minor)), minor: best.minor };
}

/** The name of a pitch in a key. */
export function spell(pitch: number, fifths: number, minor = false): SpelledPitch {
  const lowest = fifths - (minor ? FLATWARD.minor : FLATWARD.major);
  // The place on the line of fifths, counted from C: 7 semitones are one place.
  const place = lowest + mod(7 * pitch - lowest, 12);
  const step = LINE_OF_FIFTHS[mod(place + 1, 7)] ?? "C";
  const alter = Math.floor((place + 1) / 7);
  return { step, alter, octave: (pitch - alter - NATURALS[step]) / 12 - 1 };
}

/** A name such as F♯ or B♭. */
export function stepName({ step, alter }: SpelledPitch): string {
  return step + (alter > 0 ? "♯".repeat(alter) : "♭".repeat(-alter));
}

/** A name such as F♯4; C4 is middle C, 60. */
export function pitchName(pitch: number, key: Key = C_MAJOR): string {
  const spelled = spell(pitch, key.fifths, key.minor);
  return `${stepName(spelled)}${spelled.octave}`;
}

/** A name such as E♭ major. */
export function keyName({ fifths, minor }: Key): string {
  const tonic = 60 + mod(7 * fifths - (minor ? 3 : 0), 12);
  return `${stepName(spell(tonic, fifths, minor))} ${minor ? "minor" : "major"}`;
}

/** A symbol of the network with its pitches spelled in a key: F#4 and A2.F#3, and F# without an octave. Any other symbol is
 *  returned as it is. */
export function spellSymbol(symbol: string, key: Key): string {
  const parts = symbol.split(".").map((part) => /^([A-G])(#?)(-?\d{1,2})?$/.exec(part));
  const names = parts.map((found) => {
    const step = LINE_OF_FIFTHS.find((letter) => letter === found?.[1]);
    if (!found || !step) return null;
    const octave = found[3] === undefined ? 4 : Number(found[3]);
    const spelled = spell(NATURALS[step] + (found[2] ? 1 : 0) + 12 * (octave + 1), key.fifths, key.minor);
    return stepName(spelled) + (found[3] === undefined ? "" : String(spelled.octave));
  });
  return names.includes(null) ? symbol : names.join(".");
}

function fifthsOf(tonic: number, minor: boolean): number {
  const fifths = mod(7 * (tonic + (minor ? 3 : 0)), 12);
  return fifths > 6 ? fifths - 12 : fifths;
}

/** The key's own signature, or the neighbouring one if clearly more of the music is on its scale. */
function signature(weights: readonly number[], own: number): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const rated = [own, own - 1, own + 1].filter((fifths) => Math.abs(fifths) <= 6).map((fifths) => {
    const covered = MAJOR_SCALE.reduce((sum, step) => sum + (weights[mod(7 * fifths + step, 12)] ?? 0), 0) / total;
    return { fifths, score: covered - (fifths === own ? 0 : CLEARLY) };
  });
  return rated.reduce((best, other) => (other.score > best.score ? other : best)).fifths;
}

function correlation(weights: readonly number[], tonic: number, profile: readonly number[]): number {
  const [meanWeight, meanProfile] = [mean(weights), mean(profile)];
  let [product, squares, profileSquares] = [0, 0, 0];
  for (const [pitchClass, weight] of weights.entries()) {
    const [x, y] = [weight - meanWeight, (profile[mod(pitchClass - tonic, 12)] ?? 0) - meanProfile];
    product += x * y;
    squares += x * x;
    profileSquares += y * y;
  }
  return product / Math.sqrt(squares * profileSquares);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function mod(value: number, by: number): number {
  return ((value % by) + by) % by;
}
