/* From plain notes to a score as it is written: its bars, with the voices of each part, spelled, tied, beamed, with accidentals
   and names of chords. As in Python's music/notation/sheet.py, which engraves the same music for files.

   It never throws: what cannot be written is written at the nearest place. */

import { keyOf } from "../music/spelling";
import { chordNames } from "./chord-names";
import { clefOfEachBar, drumPlace, isChoirByName, planParts, type PlannedPart, type PlannedVoice, type TrackNotes } from "./layout";
import {
  UNITS, UNITS_PER_TICK, type BarVoice, type Clef, type Head, type Key, type NotatedBar, type NotatedScore,
  type PartBar, type PlainBar, type PlainNote, type PlainVoice, type SpelledPitch, type TempoMark, type WrittenSymbol,
} from "./model";
import type { Pulse } from "./pulses";
import { beatOf, quantised, type PlacedNote, type TickNote } from "./quantising";
import { canBeWritten, sortedUnique, writeSegments, type Segment } from "./rhythm";
import { BEFORE, nameOf, signatureAlter, spellNotes, type SettledNames, type SpelledNotes } from "./spelling";
import { slices } from "./voices";
import { beatLength, beatsOf, writtenBars, type WrittenBar } from "./written-bars";

const SHOWN_CHANGE = 0.15; // of a tempo: a smaller change is not written above the staff
const SHOWN_BARS = 2; // a tempo that does not last this long is not written either
const COARSE = UNITS / 8; // the grid for a bar that nothing else can write

/** The score for the bars of a piece, in their order; the first need not be the piece's first.
 *  @param key default: estimated from the notes.
 *  @param settled names that notes have already; those of other notes are added. */
export function notate(
  bars: readonly PlainBar[], voices: readonly PlainVoice[], key?: Key, settled: SettledNames = new Map(),
): NotatedScore {
  const notes = bars.flatMap((bar) => bar.notes).filter(isSane);
  const ownKey = key ?? keyOf(notes.filter((note) => !voices[note.voice]?.drums));
  const written = writtenBars(bars);
  if (!written.length) return { key: ownKey, parts: [], bars: [] };
  const tracks = tracksOf(notes, voices, written);
  const names = spellTracks(tracks, ownKey, settled);
  const planned = planParts(tracks);
  const columns = planned.map((part) => partBars(part, written, names, ownKey));
  const chords = chordNames(written, tracks, ownKey, names);
  const tempos = tempoMarks(bars, written);
  return {
    key: ownKey,
    parts: planned.map(({ part }) => part),
    bars: written.map((bar, i) => notatedBar(bar, written[i - 1], {
      key: ownKey,
      parts: columns.map((column) => column[i] ?? { voices: [], clefs: [], newClefs: [] }),
      chords: chords[i] ?? [],
      tempos: tempos[i] ?? [],
      last: bars[i]?.last ?? i === bars.length - 1,
    })),
  };
}

type BarContent = Pick<NotatedBar, "key" | "parts" | "chords" | "tempos" | "last">;

export function notatedBar(bar: WrittenBar, before: WrittenBar | undefined, content: BarContent): NotatedBar {
  return {
    number: bar.number,
    tick: bar.begin,
    ticks: bar.end - bar.begin,
    beats: beatsOf(bar),
    beat: beatLength(bar),
    meter: bar.meter,
    newMeter: String(before?.meter) !== String(bar.meter),
    newKey: !before,
    ...content,
  };
}

export function isSane({ tick, ticks, pitch }: PlainNote): boolean {
  return Number.isFinite(tick) && Number.isFinite(ticks) && ticks > 0 && pitch >= 0 && pitch <= 127;
}

// --------------------------------------------------------------------------------------------- notes and their names

function tracksOf(notes: readonly PlainNote[], voices: readonly PlainVoice[], bars: readonly WrittenBar[]): TrackNotes[] {
  const isNamedChoir = isChoirByName(voices.map((voice) => voice.name));
  const placed = placedNotes(notes, voices, bars.map((bar) => bar.begin));
  return voices.flatMap((voice, number): TrackNotes[] => {
    const own = placed[number] ?? [];
    if (!own.length && !isNamedChoir) return [];
    return [{ name: trackName(voice, number), program: voice.program, isDrums: voice.drums, notes: own }];
  });
}

export function trackName(voice: PlainVoice, number: number): string {
  const name = voice.name.split(/\s+/).filter(Boolean).join(" ");
  return /[\p{L}\p{N}]/u.test(name) ? name : voice.drums ? "Drums" : `Voice ${number + 1}`;
}

/** The notes of each voice where they can be written.
 *  @param origins the ticks at which bars begin. */
export function placedNotes(
  notes: readonly PlainNote[], voices: readonly PlainVoice[], origins: readonly number[],
): PlacedNote[][] {
  return voices.map((voice, number) => {
    let rows = notes.filter((note) => note.voice === number).map((note): TickNote => ({
      tick: note.tick, end: note.tick + note.ticks, pitch: note.pitch, velocity: note.velocity ?? 80,
    }));
    rows.sort((a, b) => a.tick - b.tick || a.end - b.end || a.pitch - b.pitch);
    if (voice.drums) rows = lengthened(rows, origins);
    const placed = quantised(rows, origins, number);
    return voice.drums ? asOneVoice(placed) : placed;
  });
}

/** Drums, which are struck and not held, to the next one or to the end of the beat. */
function lengthened(rows: readonly TickNote[], origins: readonly number[]): TickNote[] {
  const onsets = sortedUnique(rows.map((row) => row.tick));
  const following = new Map(onsets.map((onset, i) => [onset, onsets[i + 1]]));
  return rows.map((row) => {
    const beat = beatOf(row.tick, origins);
    return { ...row, end: Math.min(following.get(row.tick) ?? beat.end, beat.end) };
  });
}

function asOneVoice(notes: readonly PlacedNote[]): PlacedNote[] {
  const onsets = sortedUnique(notes.map((note) => note.begin));
  const following = new Map(onsets.map((onset, i) => [onset, onsets[i + 1]]));
  const ends = new Map<number, number>();
  for (const note of notes) {
    const end = Math.min(note.end, following.get(note.begin) ?? note.end);
    ends.set(note.begin, Math.max(ends.get(note.begin) ?? 0, end));
  }
  return notes.map((note) => ({ ...note, end: ends.get(note.begin) ?? note.end }));
}

/** The names of all notes but drums: those that are settled, and new ones. */
function spellTracks(tracks: readonly TrackNotes[], key: Key, settled: SettledNames): SpelledNotes {
  const notes = tracks.filter((track) => !track.isDrums).flatMap((track) => track.notes);
  notes.sort((a, b) => a.begin - b.begin || a.pitch - b.pitch);
  return spellSorted(notes, key, settled);
}

/** The names of notes in order: those that are settled, and new ones. Those of notes before `until` are settled then. */
export function spellSorted(notes: readonly PlacedNote[], key: Key, settled: SettledNames, until = Infinity): SpelledNotes {
  const known = notes.map((note) => settled.get(nameOf(note)));
  const from = Math.max(0, known.indexOf(undefined) - BEFORE);
  const unknown = known.includes(undefined) ? notes.slice(from) : [];
  const fresh = spellNotes(unknown.map((note) => note.pitch), unknown.map(() => key.fifths));
  const names = new Map<PlacedNote, SpelledPitch>();
  for (const [i, note] of notes.entries()) {
    const name = known[i] ?? fresh[i - from];
    if (!name) continue;
    names.set(note, name);
    if (!known[i] && note.begin < until) settled.set(nameOf(note), name);
  }
  return names;
}

/** The tempo that is written last, and that which is in force. */
export interface TempoState {
  readonly shown: number;
  readonly before: number;
}

export const NO_TEMPO: TempoState = { shown: 0, before: 0 };

function tempoMarks(bars: readonly PlainBar[], written: readonly WrittenBar[]): TempoMark[][] {
  let state = NO_TEMPO;
  return written.map((_, at) => {
    const { marks, after } = tempoMarksOf(bars, written, at, state);
    state = after;
    return marks;
  });
}

/** The tempo marks of one bar. */
export function tempoMarksOf(
  bars: readonly PlainBar[], written: readonly WrittenBar[], at: number, { shown, before }: TempoState,
): { readonly marks: TempoMark[]; readonly after: TempoState } {
  const marks: TempoMark[] = [];
  const bar = written[at];
  for (const [i, [tick, , qpm]] of (bars[at]?.tempos ?? []).entries()) {
    if (qpm === before || !bar || tick >= bar.end) continue;
    const isClear = Math.abs(qpm - shown) > SHOWN_CHANGE * shown;
    const isShown = !shown || (isClear && lastingUntil(bars, written, at, i, qpm) - tick >= SHOWN_BARS * (bar.end - bar.begin));
    if (isShown) shown = qpm;
    before = qpm;
    marks.push({ onset: Math.max(0, tick - bar.begin) * UNITS_PER_TICK, qpm, shown: isShown });
  }
  return { marks, after: { shown, before } };
}

/** The tick of the next other tempo after number `i` of bar `at`; without one, the end of what is known. */
function lastingUntil(bars: readonly PlainBar[], written: readonly WrittenBar[], at: number, i: number, qpm: number): number {
  for (let b = at; b < bars.length; b++) {
    const found = (bars[b]?.tempos ?? []).slice(b === at ? i + 1 : 0).find((other) => other[2] !== qpm);
    if (found) return found[0];
  }
  return written.at(-1)?.end ?? 0;
}

// ----------------------------------------------------------------------------------------------------- bars of a part

/** Some of the bars of a part.
 *  @param before the clefs of the bar before `from`. */
export function partBars(
  planned: Omit<PlannedPart, "part">, bars: readonly WrittenBar[], names: SpelledNotes, key: Key,
  from = 0, until = bars.length, before: readonly Clef[] = [],
): PartBar[] {
  const sounding = planned.voices.map((voice) => byBar(voice.notes, bars));
  const clefs = planned.clefs.map((options, staff) => {
    const own = sounding.filter((_, i) => planned.voices[i]?.staff === staff + 1);
    const pitches = bars.map((_, i) => own.flatMap((found) => (found[i] ?? []).map((note) => note.pitch)));
    return clefOfEachBar(options, pitches.slice(from), before[staff]);
  });
  return bars.slice(from, until).map((bar, i): PartBar => {
    const notes = sounding.map((found) => found[from + i] ?? []);
    const own = clefs.flatMap((clef) => clef[i] ?? []);
    return {
      voices: writeBar(planned.voices, notes, bar, names, key.fifths),
      clefs: own,
      newClefs: own.map((clef, staff) => clef !== (i ? clefs[staff]?.[i - 1] : before[staff])),
    };
  });
}

/** The notes that sound in each bar. */
function byBar(notes: readonly PlacedNote[], bars: readonly WrittenBar[]): PlacedNote[][] {
  const begins = bars.map((bar) => bar.begin * UNITS_PER_TICK);
  const found = bars.map((): PlacedNote[] => []);
  for (const note of notes) {
    let at = Math.max(0, begins.findLastIndex((begin) => begin <= note.begin));
    for (; at < bars.length && (begins[at] ?? Infinity) < note.end; at++) found[at]?.push(note);
  }
  return found;
}

/** One bar of a part.
 *  @param notes what sounds in this bar in each of its voices. */
function writeBar(
  planned: readonly PlannedVoice[], notes: readonly PlacedNote[][], bar: WrittenBar, names: SpelledNotes, fifths: number,
): BarVoice[] {
  return sortedUnique(planned.map((voice) => voice.staff)).flatMap((staff) => {
    const own = planned.map((voice, i) => ({ voice, notes: notes[i] ?? [] })).filter(({ voice }) => voice.staff === staff);
    const sounding = own.filter(({ voice, notes: found }) => found.length > 0 || voice.isLine);
    const present = sounding.length ? sounding : own.slice(0, 1);
    return withAccidentals(present.map((voice) => writeVoice(voice, bar, names, present)), fifths);
  });
}

interface SoundingVoice {
  readonly voice: PlannedVoice;
  readonly notes: readonly PlacedNote[];
}

function writeVoice(
  { voice, notes }: SoundingVoice, bar: WrittenBar, names: SpelledNotes, present: readonly SoundingVoice[],
): BarVoice {
  const [begin, end] = [bar.begin * UNITS_PER_TICK, bar.end * UNITS_PER_TICK];
  const stem = present.length > 1 || voice.isLine ? voice.stem : "";
  const written = { number: voice.number, staff: voice.staff, stem, instrument: voice.instrument };
  if (!notes.length && !bar.pulse.offset) {
    const rest: WrittenSymbol = {
      onset: 0, length: end - begin, value: "whole", dots: 0, heads: [], tuplet: null, beams: [], wholeBar: true, hidden: false,
    };
    return { ...written, symbols: [rest] };
  }
  const segments = writable(slices(notes, begin, end).map(({ begin: low, end: high, notes: own }): Segment => ({
    begin: low - begin, end: high - begin, heads: own.map((note) => headOf(note, low, high, names)),
  })), bar.pulse);
  const symbols = writeSegments(segments, bar.pulse);
  if (voice.isLine || present.length < 2) return { ...written, symbols };
  const others = present.filter((other) => other.voice !== voice).flatMap((other) => other.notes);
  const isFirst = present[0]?.voice === voice;
  return { ...written, symbols: withoutNeedlessRests(symbols, others, begin, isFirst) };
}

/** The segments, at coarser places where no values or tuplets can write theirs. */
function writable(segments: readonly Segment[], pulse: Pulse): readonly Segment[] {
  if (canBeWritten(sortedUnique(segments.flatMap((s) => [s.begin, s.end])), pulse)) return segments;
  const end = segments.at(-1)?.end ?? 0;
  const coarse = (place: number): number => (place === end ? end : Math.round(place / COARSE) * COARSE);
  return segments.map((s) => ({ ...s, begin: coarse(s.begin), end: coarse(s.end) })).filter((s) => s.begin < s.end);
}

function headOf(note: PlacedNote, begin: number, end: number, names: SpelledNotes): Head {
  const head = {
    velocity: note.velocity, tiedFrom: note.begin < begin, tiedTo: note.end > end, accidental: false, voice: note.voice,
  };
  const spelled = names.get(note);
  if (spelled) return { ...head, spelled, drum: null };
  const [step, octave] = drumPlace(note.pitch);
  return { ...head, spelled: { step, alter: 0, octave }, drum: note.pitch };
}

/** Hides the rests of a second voice, and those of the first while the second sounds. */
function withoutNeedlessRests(
  symbols: readonly WrittenSymbol[], others: readonly PlacedNote[], begin: number, isFirst: boolean,
): WrittenSymbol[] {
  return symbols.map((symbol) => {
    if (symbol.heads.length || symbol.tuplet) return symbol;
    const [low, high] = [begin + symbol.onset, begin + symbol.onset + symbol.length];
    const covered = others.reduce((sum, n) => sum + Math.max(0, Math.min(n.end, high) - Math.max(n.begin, low)), 0);
    return covered >= symbol.length || !isFirst ? { ...symbol, hidden: true } : symbol;
  });
}

/** Voices of one staff in one bar, with the accidentals that the key and the notes before do not give. */
function withAccidentals(voices: readonly BarVoice[], fifths: number): BarVoice[] {
  const order = voices.flatMap((voice, v) => voice.symbols.map((symbol, s) => ({ onset: symbol.onset, v, s })));
  order.sort((a, b) => a.onset - b.onset || a.v - b.v || a.s - b.s);
  const now = new Map<string, number>();
  const written = voices.map((voice) => [...voice.symbols]);
  for (const { v, s } of order) {
    const symbol = written[v]?.[s];
    if (!symbol) continue;
    const heads = symbol.heads.map((head) => {
      if (head.drum !== null || head.tiedFrom) return head;
      const { step, octave, alter } = head.spelled;
      const expected = now.get(`${step}${octave}`) ?? signatureAlter(step, fifths);
      now.set(`${step}${octave}`, alter);
      return { ...head, accidental: alter !== expected };
    });
    written[v]?.splice(s, 1, { ...symbol, heads });
  }
  return voices.map((voice, v) => ({ ...voice, symbols: written[v] ?? voice.symbols }));
}
