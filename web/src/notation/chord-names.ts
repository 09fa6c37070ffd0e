/* Names what sounds in each beat as a chord: G, D7/F♯, Am. A name stands where the chord changes.

   The notes of a beat count by how long they sound in it, those that are struck after its beginning less: they may be passing
   notes. A chord needs its root and its third, and most of what sounds must be of it; otherwise the beat has no name. Music of
   one line has none. Knows pitches, places and keys. */

import { spell, stepName } from "../music/spelling";
import type { TrackNotes } from "./layout";
import { UNITS_PER_TICK, type ChordKind, type ChordName, type Key, type SpelledPitch } from "./model";
import type { PlacedNote } from "./quantising";
import { sortedUnique } from "./rhythm";
import type { SpelledNotes } from "./spelling";
import type { WrittenBar } from "./written-bars";

interface Kind {
  readonly kind: ChordKind;
  readonly suffix: string;
  /** In semitones above the root. */
  readonly tones: readonly number[];
  /** Those that must sound. */
  readonly needed: readonly number[];
  /** How much less likely than a triad. */
  readonly cost: number;
  /** Which of them may be in the bass; default: all. */
  readonly basses?: readonly number[];
}

const KINDS: readonly Kind[] = [
  { kind: "major", suffix: "", tones: [0, 4, 7], needed: [0, 4], cost: 0 },
  { kind: "minor", suffix: "m", tones: [0, 3, 7], needed: [0, 3], cost: 0 },
  { kind: "dominant", suffix: "7", tones: [0, 4, 7, 10], needed: [0, 4, 10], cost: 0.06 },
  { kind: "minor-seventh", suffix: "m7", tones: [0, 3, 7, 10], needed: [0, 3, 7, 10], cost: 0.08 },
  { kind: "major-seventh", suffix: "maj7", tones: [0, 4, 7, 11], needed: [0, 4, 11], cost: 0.1, basses: [0, 4, 7] },
  { kind: "diminished", suffix: "°", tones: [0, 3, 6], needed: [0, 3, 6], cost: 0.05 },
  { kind: "half-diminished", suffix: "ø7", tones: [0, 3, 6, 10], needed: [0, 3, 6, 10], cost: 0.08 },
  { kind: "diminished-seventh", suffix: "°7", tones: [0, 3, 6, 9], needed: [0, 3, 6, 9], cost: 0.08 },
  { kind: "augmented", suffix: "+", tones: [0, 4, 8], needed: [0, 4, 8], cost: 0.15, basses: [0] },
  { kind: "suspended-fourth", suffix: "sus4", tones: [0, 5, 7], needed: [0, 5, 7], cost: 0.16, basses: [0] },
];
const STRUCK_LATER = 0.45; // the weight of what is struck after the beat's beginning
const LEAST_COVERED = 0.74; // the share of the beat's weight that must be of the chord
const MISSING_COST = 0.06;
const BASS_BONUS = 0.1; // of a chord whose root is in the bass
const BASS_OUTSIDE_COST = 0.25;
const LEAST_SHARE = 0.1; // of the weight, for a needed tone

/** The names in each bar. */
export function chordNames(
  bars: readonly WrittenBar[], tracks: readonly TrackNotes[], key: Key, names: SpelledNotes,
): ChordName[][] {
  const notes = tracks.filter((track) => !track.isDrums).flatMap((track) => track.notes);
  notes.sort((a, b) => a.begin - b.begin || a.pitch - b.pitch);
  if (isOneLine(notes)) return bars.map(() => []);
  let before = "";
  return bars.map((bar) => {
    const found = chordsOfBar(bar, notes, key, names, before);
    before = found.at(-1)?.text ?? before;
    return found;
  });
}

/** The names in one bar.
 *  @param notes in order, those of drums left out.
 *  @param before the name that was given last. */
export function chordsOfBar(
  bar: WrittenBar, notes: readonly PlacedNote[], key: Key, names: SpelledNotes, before: string,
): ChordName[] {
  const [begin, end] = [bar.begin * UNITS_PER_TICK, bar.end * UNITS_PER_TICK];
  const own = notes.filter((note) => note.begin < end && note.end > begin);
  const inside = (bar.pulse.levels[bar.pulse.beat] ?? []).map((place) => begin + place - bar.pulse.offset);
  const beats = sortedUnique([begin, ...inside.filter((place) => place > begin && place < end), end]);
  const found: ChordName[] = [];
  let last = before;
  for (const [i, low] of beats.slice(0, -1).entries()) {
    const chord = chordOf(own, low, beats[i + 1] ?? end, key, names);
    if (!chord || chord.text === last) continue;
    last = chord.text;
    found.push({ ...chord, onset: low - begin });
  }
  return found;
}

function isOneLine(notes: readonly PlacedNote[]): boolean {
  return notes.every((note, i) => (notes[i + 1]?.begin ?? Infinity) >= note.end);
}

/** The chord of a beat, if it has one. */
function chordOf(
  notes: readonly PlacedNote[], low: number, high: number, key: Key, names: SpelledNotes,
): Omit<ChordName, "onset"> | null {
  const sounding = notes.filter((note) => note.begin < high && note.end > low);
  const weights = new Array<number>(12).fill(0);
  for (const note of sounding) {
    const share = (Math.min(note.end, high) - Math.max(note.begin, low)) / (high - low);
    weights[note.pitch % 12] = (weights[note.pitch % 12] ?? 0) + share * (note.begin > low ? STRUCK_LATER : 1);
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const bass = bassOf(sounding, low);
  if (!total || !bass) return null;
  let best: { score: number; root: number; kind: Kind } | null = null;
  for (let root = 0; root < 12; root++) {
    if (!weights[root]) continue;
    for (const kind of KINDS) {
      const score = rate(weights, total, root, kind, bass.pitch % 12);
      if (score !== null && score > (best?.score ?? 0)) best = { score, root, kind };
    }
  }
  if (!best) return null;
  const rootName = spelledOf(best.root, sounding, key, names);
  const bassName = bass.pitch % 12 === best.root ? null : spelledOf(bass.pitch % 12, [bass], key, names);
  const text = stepName(rootName) + best.kind.suffix + (bassName ? `/${stepName(bassName)}` : "");
  return { root: rootName, kind: best.kind.kind, bass: bassName, text };
}

/** The lowest note at the beginning of the beat, or else the lowest in it. */
function bassOf(sounding: readonly PlacedNote[], low: number): PlacedNote | undefined {
  const first = sounding.filter((note) => note.begin <= low);
  const candidates = first.length ? first : sounding;
  const lowest = Math.min(...candidates.map((note) => note.pitch));
  return candidates.find((note) => note.pitch === lowest);
}

/** How well a chord covers what sounds; null if it does not. */
function rate(weights: readonly number[], total: number, root: number, kind: Kind, bass: number): number | null {
  const weightOf = (tone: number): number => weights[(root + tone) % 12] ?? 0;
  if (kind.basses && !kind.basses.some((tone) => (root + tone) % 12 === bass)) return null;
  if (kind.needed.some((tone) => weightOf(tone) < LEAST_SHARE * total)) return null;
  const covered = kind.tones.reduce((sum, tone) => sum + weightOf(tone), 0) / total;
  if (covered < LEAST_COVERED) return null;
  const missing = kind.tones.filter((tone) => !weightOf(tone)).length;
  const isBassInside = kind.tones.some((tone) => (root + tone) % 12 === bass);
  const bassScore = bass === root ? BASS_BONUS : isBassInside ? 0 : -BASS_OUTSIDE_COST;
  return covered + bassScore - kind.cost - MISSING_COST * missing;
}

/** The name of a pitch class: that of a note that sounds, or else by the key. */
function spelledOf(pitchClass: number, sounding: readonly PlacedNote[], key: Key, names: SpelledNotes): SpelledPitch {
  const note = sounding.find((other) => other.pitch % 12 === pitchClass);
  return (note && names.get(note)) ?? spell(60 + pitchClass, key.fifths, key.minor);
}
