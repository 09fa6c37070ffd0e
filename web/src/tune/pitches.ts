/* Pitches as they are written: a letter with its octave, and an accidental. They are spelled by the key. */

/** A written pitch. */
export interface Pitch {
  /** Letters from C0 on: middle C is 28, the D above it 29. */
  readonly step: number;
  /** Sharps, or flats below 0. */
  readonly alter: number;
}

/** A key signature. */
export interface KeySignature {
  /** Sharps, or flats below 0; from -7 to 7. */
  readonly fifths: number;
  readonly minor: boolean;
}

export const LETTERS = "CDEFGAB";
export const MIDDLE_C = 28;
const SEMITONES = [0, 2, 4, 5, 7, 9, 11]; // of the letters
const ON_FIFTHS = [0, 2, 4, -1, 1, 3, 5]; // the place of each letter on the line of fifths
const LOWEST_OF_KEY = -3; // the farthest spelling below the key on the line of fifths: the minor third of the tonic
const TONICS = ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#", "A#"];
const MOST_ALTER = 1;

export function letterOf(step: number): number {
  return ((step % 7) + 7) % 7;
}

/** The MIDI pitch, 60 for middle C. */
export function midiPitch({ step, alter }: Pitch): number {
  return 12 * (Math.floor(step / 7) + 1) + at(SEMITONES, letterOf(step)) + alter;
}

/** The accidental that the key gives a letter. */
export function keyAlter(step: number, fifths: number): number {
  return Math.ceil((fifths - 1 - at(ON_FIFTHS, letterOf(step))) / 7) + 0; // not -0
}

/** A letter as the key has it. */
export function inKey(step: number, fifths: number): Pitch {
  return { step, alter: keyAlter(step, fifths) };
}

/** A MIDI pitch, spelled by the key. */
export function spell(pitch: number, { fifths }: KeySignature): Pitch {
  const lowest = fifths + LOWEST_OF_KEY;
  const place = lowest + ((((pitch * 7 - lowest) % 12) + 12) % 12); // on the line of fifths
  const letter = at([3, 0, 4, 1, 5, 2, 6], (((place + 1) % 7) + 7) % 7);
  const alter = Math.floor((place + 1) / 7);
  const octave = Math.floor((pitch - alter - at(SEMITONES, letter)) / 12) - 1;
  const found = { step: octave * 7 + letter, alter };
  return Math.abs(alter) <= MOST_ALTER ? found : simplest(pitch);
}

/** A pitch without double accidentals. */
function simplest(pitch: number): Pitch {
  const octave = Math.floor(pitch / 12) - 1;
  const letter = SEMITONES.findLastIndex((semitones) => semitones <= pitch % 12);
  return { step: octave * 7 + letter, alter: (pitch % 12) - at(SEMITONES, letter) };
}

/** The next or previous pitch of the key. */
export function raise(pitch: Pitch, steps: number, fifths: number): Pitch {
  return inKey(pitch.step + steps, fifths);
}

/** As in `F♯4`. */
export function pitchName({ step, alter }: Pitch): string {
  const sign = alter < 0 ? "♭".repeat(-alter) : "♯".repeat(alter);
  return `${LETTERS.charAt(letterOf(step))}${sign}${Math.floor(step / 7)}`;
}

/** As in `F♯ minor`. */
export function keyName({ fifths, minor }: KeySignature): string {
  const tonic = at(TONICS, fifths + 7 + (minor ? 3 : 0)).replace("#", "♯").replace("b", "♭");
  return `${tonic} ${minor ? "minor" : "major"}`;
}

function at<T>(list: readonly T[], index: number): T {
  const found = list[index];
  if (found === undefined) throw new RangeError(`no entry ${index}`);
  return found;
}
