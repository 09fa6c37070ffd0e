/* Chooses the parts of a page, their staves, the voices on each and their clefs, as in Python's music/notation/layout.py:

   - Four lines named as, or sung by, a choir are on two staves, two voices on each.
   - A keyboard or a harp has two staves; two tracks of one keyboard that follow each other are its hands already. Within the
     range of one clef, one staff is enough.
   - Any other instrument has a staff, with its own clef or the one with the fewest ledger lines. Drums have a staff of their
     own kind. */

import { mendHands, splitHands } from "./hands";
import type { Clef, Instrument, Part, Stem, Step } from "./model";
import type { PlacedNote } from "./quantising";
import { sortedUnique } from "./rhythm";
import { divideVoices } from "./voices";

const TREBLE: Clef = { sign: "G", line: 2, octave: 0 };
const BASS: Clef = { sign: "F", line: 4, octave: 0 };
const ALTO: Clef = { sign: "C", line: 3, octave: 0 };
const TENOR: Clef = { sign: "C", line: 4, octave: 0 };
const TREBLE_8: Clef = { ...TREBLE, octave: -1 };
const BASS_8: Clef = { ...BASS, octave: -1 };
const TREBLE_HIGH: Clef = { ...TREBLE, octave: 1 };
const PERCUSSION: Clef = { sign: "percussion", line: 2, octave: 0 };
/** The pitch on the middle line. */
const CENTRES: Readonly<Record<string, number>> = { G2: 71, F4: 50, C3: 60, C4: 57 };
const KEYBOARDS = new Set([...range(0, 8), ...range(16, 24), 46]);
/** Ensembles, pads and bars: two staves where their range needs them. */
const WIDE = new Set([...range(48, 55), ...range(88, 104), 10, 11, 12, 15]);
const CHOIR = new Set([52, 53, 54]);
const CHOIR_VOICES = "soprano,alto,tenor,bass";
/** By General MIDI's programs; of several the one with the fewest ledger lines, as it changes. */
const CLEFS = new Map<number, readonly Clef[]>([
  ...[40, 44, 45, 56, 59, 68, 69, 71, 73, 74, 75, 109, 110].map((program) => [program, [TREBLE]] as const),
  ...range(24, 32).map((program) => [program, [TREBLE_8]] as const),
  ...[...range(32, 40), 43].map((program) => [program, [BASS_8]] as const),
  [41, [ALTO, TREBLE]],
  ...[42, 57, 70].map((program) => [program, [BASS, TENOR, TREBLE]] as const),
  ...[47, 58].map((program) => [program, [BASS]] as const),
  ...[9, 72].map((program) => [program, [TREBLE_HIGH]] as const),
]);
/** Semitones from the middle line without a ledger line, and for each. */
const [LEDGER_FREE, LEDGER_STEP] = [8, 3.5];
const CHANGE_COST = 14; // ledger lines that a change of clef must save
/** A keyboard above the first or below the second needs one staff. */
const [ONE_STAFF_LOW, ONE_STAFF_HIGH] = [55, 65];
const WIDEST_LINE = 31;

/** General MIDI's percussion keys: the name, and where it stands on its staff, as in a treble clef. */
const DRUMS: Readonly<Record<number, readonly [name: string, step: Step, octave: number]>> = {
  35: ["Acoustic Bass Drum", "E", 4],
  36: ["Bass Drum", "F", 4],
  37: ["Side Stick", "C", 5],
  38: ["Snare", "C", 5],
  39: ["Hand Clap", "B", 4],
  40: ["Electric Snare", "C", 5],
  41: ["Low Floor Tom", "G", 4],
  42: ["Closed Hi-Hat", "G", 5],
  43: ["High Floor Tom", "A", 4],
  44: ["Pedal Hi-Hat", "D", 4],
  45: ["Low Tom", "B", 4],
  46: ["Open Hi-Hat", "G", 5],
  47: ["Low-Mid Tom", "D", 5],
  48: ["High-Mid Tom", "E", 5],
  49: ["Crash Cymbal", "A", 5],
  50: ["High Tom", "F", 5],
  51: ["Ride Cymbal", "F", 5],
  52: ["China Cymbal", "B", 5],
  53: ["Ride Bell", "F", 5],
  54: ["Tambourine", "B", 4],
  55: ["Splash Cymbal", "B", 5],
  56: ["Cowbell", "E", 5],
  57: ["Crash Cymbal 2", "B", 5],
  59: ["Ride Cymbal 2", "F", 5],
};
/** Cymbals and what is struck on rims, whose heads are crosses. */
export const CROSS_HEADS: ReadonlySet<number> = new Set([37, 39, 42, 44, 46, 49, 51, 52, 53, 54, 55, 57, 59]);

/** Where a drum stands on its staff. */
export function drumPlace(key: number): readonly [step: Step, octave: number] {
  const [, step, octave] = DRUMS[key] ?? ["", "B", 4];
  return [step, octave];
}

/** A voice from the beginning to the end. */
export interface PlannedVoice {
  readonly number: number;
  readonly staff: number;
  readonly notes: readonly PlacedNote[];
  readonly stem: Stem;
  readonly instrument: number;
  /** A singer's line, whose rests are all written. */
  readonly isLine: boolean;
}

/** A part with its voices and the clefs that each of its staves may have. */
export interface PlannedPart {
  readonly part: Part;
  readonly voices: readonly PlannedVoice[];
  readonly clefs: readonly (readonly Clef[])[];
}

/** A plain voice with notes. */
export interface TrackNotes {
  readonly name: string;
  readonly program: number;
  readonly isDrums: boolean;
  readonly notes: readonly PlacedNote[];
}

/** What of a track decides about its part. */
export interface TrackTraits {
  readonly name: string;
  readonly program: number;
  readonly isDrums: boolean;
  /** Whether no two of its notes sound at once. */
  readonly isLine: boolean;
  readonly low: number;
  readonly high: number;
  readonly meanPitch: number;
  /** Whether it has fewer ledger lines in a bass clef than in a treble clef. */
  readonly isLow: boolean;
  /** For drums: the keys that are struck. */
  readonly keys: readonly number[];
  /** Whether both hands of a keyboard would have notes. */
  hasHands(): boolean;
}

/** A part whose notes are not divided yet. */
export interface PartShape {
  readonly part: Part;
  readonly kind: "choir" | "both hands" | "keyboard" | "staff" | "drums";
  /** Indices of its tracks. */
  readonly tracks: readonly number[];
  readonly clefs: readonly (readonly Clef[])[];
}

/** A track, numbered. */
interface Track extends TrackTraits {
  readonly index: number;
}

/** Where notes stand that are engraved already: the hand, and the voice of its staff. */
export interface SettledPlaces {
  handOf(note: PlacedNote): 0 | 1 | undefined;
  voiceOf(note: PlacedNote): 0 | 1 | undefined;
}

/** The parts of a page, from its tracks in their order. Drums come as one part at the end. */
export function planParts(tracks: readonly TrackNotes[]): PlannedPart[] {
  const notes = tracks.map((track) => track.notes);
  return shapesOf(tracks.map(traitsOf)).map((shape) => ({ part: shape.part, voices: voicesOf(shape, notes), clefs: shape.clefs }));
}

function traitsOf({ name, program, isDrums, notes }: TrackNotes): TrackTraits {
  const pitches = notes.map((note) => note.pitch);
  return {
    name, program, isDrums, isLine: isLine(notes), low: Math.min(...pitches), high: Math.max(...pitches),
    meanPitch: pitches.reduce((sum, pitch) => sum + pitch, 0) / pitches.length,
    isLow: ledgerLines(BASS, pitches) < ledgerLines(TREBLE, pitches),
    keys: isDrums ? sortedUnique(pitches) : [],
    hasHands: () => splitHands(notes).every((hand) => hand.length > 0),
  };
}

/** The parts for tracks with these traits. */
export function shapesOf(traits: readonly (TrackTraits | null)[]): PartShape[] {
  const tracks = traits.flatMap((track, index): Track[] => (track ? [{ ...track, index }] : []));
  const drums = tracks.filter((track) => track.isDrums);
  const pitched = tracks.filter((track) => !track.isDrums);
  const shapes = isChoir(pitched) ? choir(pitched) : grouped(pitched).map(shapeOf);
  return drums.length ? [...shapes, drumShape(drums)] : shapes;
}

/** The voices of a part.
 *  @param notes of each track. */
export function voicesOf(shape: PartShape, notes: readonly (readonly PlacedNote[])[], settled?: SettledPlaces): PlannedVoice[] {
  const own = shape.tracks.map((track) => notes[track] ?? []);
  const [first = [], second = []] = own;
  switch (shape.kind) {
    case "choir":
      return own.map((line, i): PlannedVoice => ({
        number: i + 1, staff: 1, notes: line, stem: i ? "down" : "up", instrument: i, isLine: true,
      }));
    case "drums": {
      const struck = own.flat().sort((a, b) => a.begin - b.begin || a.pitch - b.pitch);
      return [{ number: 1, staff: 1, notes: struck, stem: "up", instrument: 0, isLine: false }];
    }
    case "staff":
      return staffVoices(first, 1, settled);
    case "keyboard":
      return withSettledHands(splitHands(first), settled).flatMap((hand, i) => staffVoices(hand, i + 1, settled));
    case "both hands":
      return withSettledHands(mendHands(first, second), settled).flatMap((hand, i) => staffVoices(hand, i + 1, settled));
  }
}

function withSettledHands(hands: readonly (readonly PlacedNote[])[], settled?: SettledPlaces): PlacedNote[][] {
  const result: [PlacedNote[], PlacedNote[]] = [[], []];
  for (const [hand, notes] of hands.entries()) {
    for (const note of notes) result[settled?.handOf(note) ?? (hand ? 1 : 0)].push(note);
  }
  return result;
}

/** Whether no two notes sound at once. */
export function isLine(notes: readonly PlacedNote[]): boolean {
  return notes.every((note, i) => (notes[i + 1]?.begin ?? Infinity) >= note.end);
}

export function isChoirByName(names: readonly string[]): boolean {
  return names.map((name) => name.trim().toLowerCase()).join() === CHOIR_VOICES;
}

function isChoir(tracks: readonly Track[]): boolean {
  const isSung = tracks.every((track) => CHOIR.has(track.program));
  return tracks.length === 4 && (isChoirByName(tracks.map((track) => track.name)) || isSung) && tracks.every((track) => track.isLine);
}

function choir(tracks: readonly Track[]): PartShape[] {
  return [TREBLE, BASS].map((clef, at) => {
    const pair = tracks.slice(2 * at, 2 * at + 2);
    const instruments = pair.map(({ name, program }): Instrument => ({ name, program, drum: null }));
    const name = [...new Set(pair.map((track) => track.name))].join(", ");
    return {
      part: { name, instruments, staves: 1, isDrums: false, isChoir: true }, kind: "choir",
      tracks: pair.map((track) => track.index), clefs: [[clef]],
    };
  });
}

/** The tracks, with both hands of a keyboard together. */
function grouped(tracks: readonly Track[]): Track[][] {
  const runs: Track[][] = [];
  for (const track of tracks) {
    const run = runs.at(-1);
    if (run && KEYBOARDS.has(track.program) && run[0]?.program === track.program) run.push(track);
    else runs.push([track]);
  }
  return runs.flatMap((run) => {
    const [first, second] = run;
    const areHands = run.length === 2 && first && second && first.meanPitch > second.meanPitch;
    return areHands ? [run] : run.map((track) => [track]);
  });
}

function shapeOf(group: readonly Track[]): PartShape {
  const [track, second] = group;
  if (!track) throw new Error("a part has a track");
  const { name, program, low, high, index } = track;
  const instrument = { name, program, drum: null };
  if (second) return grand("both hands", commonName(track, second), instrument, [index, second.index]);
  const needsTwo = low < ONE_STAFF_LOW && high > ONE_STAFF_HIGH;
  const isWide = high - low > WIDEST_LINE;
  const alone = track.isLine;
  if (needsTwo && ((KEYBOARDS.has(program) && !(alone && !isWide)) || (WIDE.has(program) && !alone && isWide))) {
    if (track.hasHands()) return grand("keyboard", name, instrument, [index]);
  }
  const part: Part = { name, instruments: [instrument], staves: 1, isDrums: false, isChoir: false };
  return { part, kind: "staff", tracks: [index], clefs: [CLEFS.get(program) ?? [track.isLow ? BASS : TREBLE]] };
}

function grand(kind: "both hands" | "keyboard", name: string, instrument: Instrument, tracks: readonly number[]): PartShape {
  const part: Part = { name, instruments: [instrument], staves: 2, isDrums: false, isChoir: false };
  return { part, kind, tracks, clefs: [[TREBLE, BASS], [BASS, TREBLE]] };
}

function staffVoices(notes: readonly PlacedNote[], staff: number, settled?: SettledPlaces): PlannedVoice[] {
  const [upper, lower] = divideVoices(notes, settled ? (note) => settled.voiceOf(note) : undefined);
  const first = { number: 4 * staff - 3, staff, notes: upper, stem: "", instrument: 0, isLine: false } as const;
  if (!lower.length) return [first];
  return [{ ...first, stem: "up" }, { ...first, number: first.number + 1, notes: lower, stem: "down" }];
}

function drumShape(tracks: readonly Track[]): PartShape {
  const program = tracks[0]?.program ?? 0;
  const keys = sortedUnique(tracks.flatMap((track) => track.keys));
  const instruments = keys.map((key) => ({ name: DRUMS[key]?.[0] ?? `Drum ${key}`, program, drum: key }));
  const name = tracks[0]?.name ?? "Drums";
  return {
    part: { name, instruments, staves: 1, isDrums: true, isChoir: false }, kind: "drums",
    tracks: tracks.map((track) => track.index), clefs: [[PERCUSSION]],
  };
}

/** The name of both hands' instrument: what their names have in common, if that is a word. */
function commonName(first: Pick<Track, "name">, second: Pick<Track, "name">): string {
  const [a, b] = [first.name.split(" "), second.name.split(" ")];
  const different = a.findIndex((word, i) => word !== b[i]);
  return (different < 0 ? a : a.slice(0, different)).join(" ") || first.name;
}

// ---------------------------------------------------------------------------------------------------------- clefs

/** The clef of each bar of a staff: the fewest ledger lines, with few changes.
 *  @param options the clefs that it may have, the usual one first.
 *  @param bars the pitches in each bar.
 *  @param before the clef of the bar before these, if there is one. */
export function clefOfEachBar(options: readonly Clef[], bars: readonly (readonly number[])[], before?: Clef): Clef[] {
  const [usual = TREBLE] = options;
  if (options.length === 1) return bars.map(() => usual);
  let total = options.map((clef, i) => (before ? (clef === before ? 0 : CHANGE_COST) : i ? CHANGE_COST / 2 : 0));
  const back = bars.map((pitches) => {
    const cheapest = total.indexOf(Math.min(...total));
    const change = (total[cheapest] ?? 0) + CHANGE_COST;
    const came = total.map((cost, i) => (cost <= change ? i : cheapest));
    total = total.map((cost, i) => Math.min(cost, change) + ledgerLines(options[i] ?? usual, pitches));
    return came;
  });
  let at = total.indexOf(Math.min(...total));
  const chosen = back.reverse().map((came) => {
    const clef = options[at] ?? usual;
    at = came[at] ?? at;
    return clef;
  });
  return chosen.reverse();
}

/** How many more ledger lines a pitch has in a bass clef than in a treble clef. */
export function ledgersInBass(pitch: number): number {
  return ledgerLines(BASS, [pitch]) - ledgerLines(TREBLE, [pitch]);
}

function ledgerLines(clef: Clef, pitches: readonly number[]): number {
  const centre = (CENTRES[`${clef.sign}${clef.line}`] ?? 71) + 12 * clef.octave;
  return pitches.reduce((sum, p) => sum + Math.max(Math.abs(p - centre) - LEDGER_FREE, 0) / LEDGER_STEP, 0);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
