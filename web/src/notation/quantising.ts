/* Puts the times of notes on places that can be written, as in Python's music/notation/quantising.py. A beat whose notes begin
   and end on halves, thirds, fifths, sevenths and the like of it stays exactly as it is. Where somebody played freely, onsets
   go to the grid that fits the beat best, and notes last until the next one begins if nearly nothing is missing.

   Knows ticks and bars, not pitches or voices. */

import { TICKS_PER_QUARTER, UNITS, UNITS_PER_TICK } from "./model";
import { sortedUnique } from "./rhythm";

/** Into how many parts a quarter may be divided, if all its notes are exactly there. */
const EXACT = [1, 2, 4, 3, 8, 6, 5, 7, 12, 9, 10, 16, 24];
/** The grids for what was played freely, and how many ticks nearer each note must be than with 1. */
const FREE = [
  { parts: 1, cost: 0 }, { parts: 2, cost: 4 }, { parts: 3, cost: 10 }, { parts: 4, cost: 8 }, { parts: 6, cost: 22 },
  { parts: 8, cost: 26 },
];
/** A gap before the next onset is filled if it is shorter than this share of the note or than a 16th, or if the next onset is
 *  within a quarter of the note's. */
const GAP_SHARE = 0.6;
const SIXTEENTH = UNITS / 4;
const SHORTEST = UNITS / 8;
/** The fewest parts of a beat on which a freely played note ends, where the beat is not in thirds. */
const END_PARTS = 4;

/** A note in units. */
export interface PlacedNote {
  readonly begin: number;
  readonly end: number;
  readonly pitch: number;
  readonly velocity: number;
  /** The plain voice. */
  readonly voice: number;
}

/** A note in ticks. */
export interface TickNote {
  readonly tick: number;
  readonly end: number;
  readonly pitch: number;
  readonly velocity: number;
}

interface Beat {
  readonly begin: number;
  readonly end: number;
}

/** The notes of one voice in units.
 *  @param notes in the order of their onsets.
 *  @param origins the ticks at which bars begin; beats count from them. */
export function quantised(notes: readonly TickNote[], origins: readonly number[], voice: number): PlacedNote[] {
  const beats = new Map<number, { beat: Beat; edges: number[]; onsets: number[] }>();
  for (const { tick, end } of notes) {
    for (const place of [tick, end]) {
      const beat = beatOf(place, origins);
      const known = beats.get(beat.begin) ?? { beat, edges: [], onsets: [] };
      beats.set(beat.begin, known);
      known.edges.push(place);
      if (place === tick) known.onsets.push(place);
    }
  }
  const exact = new Map<number, ReadonlyMap<number, number>>();
  const grids = new Map<number, number>();
  for (const [begin, { edges, onsets }] of beats) {
    const places = exactPlaces(edges, begin);
    if (places) exact.set(begin, places);
    else if (onsets.length) grids.set(begin, bestGrid(onsets, begin));
  }
  const place = (tick: number, least = 1): number => {
    const beat = beatOf(tick, origins);
    const known = exact.get(beat.begin)?.get(tick);
    if (known !== undefined) return known;
    const parts = grids.get(beat.begin) ?? 4;
    const step = UNITS / (parts % 3 === 0 ? parts : Math.max(parts, least));
    const rounded = Math.floor(((tick - beat.begin) * UNITS_PER_TICK + step / 2) / step) * step;
    return Math.min(beat.begin * UNITS_PER_TICK + rounded, beat.end * UNITS_PER_TICK);
  };
  const isExact = (tick: number): boolean => exact.has(beatOf(tick, origins).begin);
  const starts = sortedUnique(notes.map((note) => place(note.tick)));
  const placed = notes.map(({ tick, end, pitch, velocity }) => {
    const start = place(tick);
    let stop = place(end, END_PARTS);
    if (!isExact(tick) || !isExact(end)) stop = asMeant(start, stop, starts);
    return { begin: start, end: Math.max(stop, start + 1), pitch, velocity, voice };
  });
  return withoutDoubles(placed);
}

/** The quarter in which a tick is: where it begins, and where it ends if a bar ends sooner. */
export function beatOf(tick: number, origins: readonly number[]): Beat {
  const at = Math.max(0, origins.findLastIndex((origin) => origin <= tick));
  const origin = origins[at] ?? 0;
  const begin = origin + Math.floor((tick - origin) / TICKS_PER_QUARTER) * TICKS_PER_QUARTER;
  const following = origins[at + 1] ?? begin + TICKS_PER_QUARTER;
  return { begin, end: Math.min(begin + TICKS_PER_QUARTER, following) };
}

/** The place in units of each tick of a beat, if one division of it has them all. */
function exactPlaces(ticks: readonly number[], begin: number): Map<number, number> | null {
  for (const parts of EXACT) {
    const places = new Map<number, number>();
    for (const tick of ticks) {
      const number = roundEven(((tick - begin) * parts) / TICKS_PER_QUARTER);
      if (roundEven((number * TICKS_PER_QUARTER) / parts) !== tick - begin) break;
      places.set(tick, begin * UNITS_PER_TICK + Math.floor((number * UNITS) / parts));
    }
    if (ticks.every((tick) => places.has(tick))) return places;
  }
  return null;
}

function bestGrid(ticks: readonly number[], begin: number): number {
  const costOf = ({ parts, cost }: (typeof FREE)[number]): number => {
    const step = TICKS_PER_QUARTER / parts;
    const off = ticks.reduce((sum, t) => sum + Math.abs(t - begin - roundEven((t - begin) / step) * step), 0);
    return off / ticks.length + cost;
  };
  const distinct = (parts: number): number => new Set(ticks.map((t) => roundEven(((t - begin) * parts) / 480))).size;
  const crowded = FREE.reduce((best, { parts }) => (distinct(parts) > distinct(best) ? parts : best), 1);
  const options = FREE.filter(({ parts }) => parts >= Math.min(crowded, 4) || parts === 3 || ticks.length === 1);
  return options.reduce((best, option) => (costOf(option) < costOf(best) ? option : best), options[0] ?? { parts: 4, cost: 0 })
    .parts;
}

/** Where a freely played note ends: where the next one begins, if that is near; at the least a 32nd long. */
function asMeant(start: number, stop: number, onsets: readonly number[]): number {
  const following = onsets.find((onset) => onset > start);
  if (following !== undefined) {
    const gap = following - stop;
    const isMissing = gap <= Math.max(SIXTEENTH, Math.trunc(GAP_SHARE * (stop - start))) || following - start <= UNITS;
    if (-SIXTEENTH <= gap && isMissing) return following;
  }
  return Math.max(stop, start + SHORTEST);
}

/** Of notes with the same onset and pitch the longest; a note ends where its pitch is struck again. */
function withoutDoubles(notes: readonly PlacedNote[]): PlacedNote[] {
  const longest = new Map<string, PlacedNote>();
  for (const note of notes) {
    const name = `${note.begin}-${note.pitch}`;
    const before = longest.get(name);
    if (!before || note.end > before.end) longest.set(name, note);
  }
  const result: PlacedNote[] = [];
  const latest = new Map<number, number>();
  for (const note of [...longest.values()].sort((a, b) => a.begin - b.begin || a.pitch - b.pitch)) {
    const at = latest.get(note.pitch);
    const before = at === undefined ? undefined : result[at];
    if (at !== undefined && before && before.end > note.begin) result[at] = { ...before, end: note.begin };
    latest.set(note.pitch, result.length);
    result.push(note);
  }
  return result;
}

/** To the nearest whole number, halves to the even one, as Python rounds. */
function roundEven(value: number): number {
  const rounded = Math.round(value);
  return Math.abs(value % 1) === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}
