/* Divides what a voice has in one bar into written values: ties, dots, tuplets, beams. As in Python's
   music/notation/rhythm.py, which names the rules' sources:

   - A value begins on a place at least as strong as any that it crosses, apart from a value in the middle of two beats.
     Rests never cross a place as strong as their ends.
   - Among the divisions that keep this, the one with the fewest symbols is taken.
   - A tuplet is the smallest part of the meter that holds the values which powers of two cannot write.

   Knows one bar of one voice. */

import { UNITS, VALUES, VALUE_NAMES, type Beam, type Head, type Value, type WrittenSymbol } from "./model";
import { FINEST, tupletPulse, type Pulse } from "./pulses";

/** How many values are in the time of how many, and what such a tuplet costs. Six cost more than twice three, so they are one
 *  group only where a note crosses its middle. */
const TUPLETS = [
  { actual: 3, normal: 2, cost: 2 }, { actual: 5, normal: 4, cost: 2.75 }, { actual: 6, normal: 4, cost: 4.5 },
  { actual: 7, normal: 4, cost: 3 }, { actual: 9, normal: 8, cost: 3.5 }, { actual: 10, normal: 8, cost: 6 },
] as const;
type TupletKind = (typeof TUPLETS)[number];
/** Of each halving of a tuplet's values: two triplets rather than one of quarters, if both can write the rhythm. */
const FINER_COST = 5;
const CROSSING_COST = 1.5; // of a note that crosses the edge of a tuplet
const MOST_HALVINGS = 3;
const MOST_LEVELS = 9; // below those of a pulse: halves of its shortest parts, down to 128ths
const MOST_PLACES = 600; // of a division that is searched for: 128ths in more than four bars of 4/4
const [LONGEST_TUPLET, SHORTEST_TUPLET] = [4 * UNITS, UNITS / 4];
const IMPOSSIBLE = 1e9;

/** What sounds between two places of a bar; without heads it is a rest. */
export interface Segment {
  readonly begin: number;
  readonly end: number;
  /** With `tiedFrom` and `tiedTo` as they are at the segment's ends. */
  readonly heads: readonly Head[];
}

interface TupletPlace {
  readonly begin: number;
  readonly end: number;
  readonly kind: TupletKind;
}

/** The value and the number of dots, at most two, that have each length. */
const VALUE_OF = new Map<number, { readonly value: Value; readonly dots: number }>();
for (const value of VALUE_NAMES) {
  for (const dots of [0, 1, 2]) {
    const length = VALUES[value] * (2 - 1 / 2 ** dots);
    if (!VALUE_OF.has(length)) VALUE_OF.set(length, { value, dots });
  }
}

export function valueOf(length: number): { readonly value: Value; readonly dots: number } | undefined {
  return VALUE_OF.get(length);
}

/** The symbols of a voice in one bar.
 *  @param segments without gaps, from the beginning of the bar to its end. */
export function writeSegments(segments: readonly Segment[], pulse: Pulse): WrittenSymbol[] {
  const edges = sortedUnique(segments.flatMap((s) => [s.begin, s.end]));
  const length = edges.at(-1) ?? 0;
  const symbols: WrittenSymbol[] = [];
  let at = 0;
  for (const { begin, end, kind } of tuplets(edges, pulse)) {
    for (const segment of within(segments, at, begin)) symbols.push(...write(segment, pulse, false));
    symbols.push(...writeTuplet([...within(segments, begin, end)], begin, end, kind));
    at = end;
  }
  for (const segment of within(segments, at, length)) symbols.push(...write(segment, pulse, false));
  return withBeams(symbols, pulse);
}

/** The parts of the segments between two places, tied where they are cut. */
function* within(segments: readonly Segment[], begin: number, end: number): Generator<Segment> {
  for (const segment of segments) {
    const [low, high] = [Math.max(segment.begin, begin), Math.min(segment.end, end)];
    if (low < high) yield cut(segment, low, high);
  }
}

function cut(segment: Segment, begin: number, end: number): Segment {
  if (begin === segment.begin && end === segment.end) return segment;
  const heads = segment.heads.map((head) => ({
    ...head,
    tiedFrom: head.tiedFrom || begin > segment.begin,
    tiedTo: head.tiedTo || end < segment.end,
    accidental: head.accidental && begin === segment.begin,
  }));
  return { begin, end, heads };
}

// ------------------------------------------------------------------------------------------------ values and ties

function write(segment: Segment, pulse: Pulse, restsCross: boolean): WrittenSymbol[] {
  const cuts = divide(segment.begin, segment.end, pulse, !segment.heads.length && !restsCross);
  const written: WrittenSymbol[] = [];
  for (let i = 0; i + 1 < cuts.length; i++) {
    const [begin, end] = [cuts[i] ?? 0, cuts[i + 1] ?? 0];
    const { value, dots } = valueOf(end - begin) ?? nearestValue(end - begin);
    const { heads } = cut(segment, begin, end);
    written.push({
      onset: begin, length: end - begin, value, dots, heads, tuplet: null, beams: [], wholeBar: false, hidden: false,
    });
  }
  return written;
}

/** For a length that no value has, which only damaged input can make: the next shorter value. */
function nearestValue(length: number): { value: Value; dots: number } {
  return { value: VALUE_NAMES.find((name) => VALUES[name] <= length) ?? "128th", dots: 0 };
}

/** What `divide` found, by pulse: music repeats the same few values. */
const divided = new WeakMap<Pulse, Map<string, readonly number[]>>();

/** The places at which a value is divided, from its beginning to its end. */
function divide(begin: number, end: number, pulse: Pulse, isRest: boolean): readonly number[] {
  const name = `${begin}-${end}-${String(isRest)}`;
  const known = divided.get(pulse) ?? new Map<string, readonly number[]>();
  divided.set(pulse, known);
  let cuts = known.get(name);
  if (!cuts) known.set(name, (cuts = findCuts(begin, end, pulse, isRest)));
  return cuts;
}

function findCuts(begin: number, end: number, pulse: Pulse, isRest: boolean): readonly number[] {
  if (mayStand(begin, end, pulse, isRest)) return [begin, end];
  let finest = Math.max(pulse.level(begin), pulse.level(end));
  for (; finest <= pulse.levels.length + MOST_LEVELS; finest++) {
    const cuts = fewest(begin, end, pulse, isRest, finest);
    if (cuts) return cuts; // finer than its ends as for a whole bar of 5/8, which no value fills
    if (cuts === null) break;
  }
  return greedyCuts(begin, end);
}

/** For bars too long for a search: the longest values first. */
function greedyCuts(begin: number, end: number): readonly number[] {
  const cuts = [begin];
  for (let at = begin; at < end; cuts.push(at)) {
    const value = VALUE_NAMES.find((name) => VALUES[name] <= end - at);
    at = value ? at + VALUES[value] : end;
  }
  return cuts;
}

interface Division {
  readonly symbols: number;
  readonly levels: number;
  readonly cuts: readonly number[];
}

/** The division with the fewest values, at boundaries of this level and stronger ones; undefined if there is none, and null if
 *  there are too many to search. */
function fewest(
  begin: number, end: number, pulse: Pulse, isRest: boolean, finest: number,
): readonly number[] | undefined | null {
  const places = [begin, ...pulse.boundaries(begin, end, finest), end];
  if (places.length > MOST_PLACES) return null;
  const best = new Map<number, Division>([[begin, { symbols: 0, levels: 0, cuts: [begin] }]]);
  for (const [i, place] of places.entries()) {
    if (i === 0) continue;
    const level = pulse.level(place);
    for (let j = 0; j < i; j++) {
      const start = places[j] ?? 0;
      const before = best.get(start);
      if (!before || !mayStand(start, place, pulse, isRest)) continue;
      const option = { symbols: before.symbols + 1, levels: before.levels + level, cuts: [...before.cuts, place] };
      const known = best.get(place);
      if (!known || isBetter(option, known)) best.set(place, option);
    }
  }
  return best.get(end)?.cuts;
}

/** Fewer symbols, then stronger places, then of equals the one that is divided last: half and eighth. */
function isBetter(a: Division, b: Division): boolean {
  if (a.symbols !== b.symbols) return a.symbols < b.symbols;
  if (a.levels !== b.levels) return a.levels < b.levels;
  const at = a.cuts.findIndex((place, i) => place !== b.cuts[i]);
  return at >= 0 && (a.cuts[at] ?? 0) > (b.cuts[at] ?? 0);
}

/** Whether one symbol may be written from here to there. */
function mayStand(begin: number, end: number, pulse: Pulse, isRest: boolean): boolean {
  const found = valueOf(end - begin);
  if (!found) return false;
  const strongest = pulse.strongest(begin, end);
  if (strongest === null) return true;
  const [first, last] = [pulse.level(begin), pulse.level(end)];
  if (strongest <= pulse.uneven && Math.max(first, last) > pulse.uneven) return false;
  if (isRest) {
    const inThree = pulse.uneven >= 0 && strongest === pulse.uneven + 1;
    return first < strongest && (last < strongest || (inThree && !found.dots));
  }
  if (first <= strongest) return true;
  const centre = (begin + end) / 2;
  return !found.dots && first === last && last === strongest + 1 && pulse.level(centre) === strongest;
}

// -------------------------------------------------------------------------------------------------------- tuplets

interface Tuplets {
  readonly cost: number;
  readonly places: readonly TupletPlace[];
}

const NO_TUPLETS: Tuplets = { cost: 0, places: [] };

/** The tuplets of a bar. */
function tuplets(edges: readonly number[], pulse: Pulse): readonly TupletPlace[] {
  const inner = edges.filter((edge) => edge % FINEST !== 0);
  if (!inner.length) return [];
  const finest = pulse.levels.at(-1) ?? [0];
  const begin = pulse.offset ? (finest.findLast((place) => place <= pulse.offset) ?? 0) - pulse.offset : 0;
  return cheapest(edges, inner, begin, edges.at(-1) ?? 0, pulse, 0).places;
}

/** The cost and the tuplets of a part of a bar, whole or divided at the boundaries of a level. */
function cheapest(
  edges: readonly number[], inner: readonly number[], begin: number, end: number, pulse: Pulse, level: number,
): Tuplets {
  if (!inner.some((place) => begin < place && place < end)) return NO_TUPLETS;
  const options: Tuplets[] = [];
  const length = end - begin;
  const plain = valueOf(length);
  if (plain?.dots === 0 && SHORTEST_TUPLET <= length && length <= LONGEST_TUPLET) {
    const here = edges.filter((place) => begin < place && place < end).map((place) => place - begin);
    const crossing = CROSSING_COST * [begin, end].filter((edge) => !edges.includes(edge)).length;
    for (const kind of TUPLETS) {
      const halvings = halvingsOf(here, length, kind);
      if (halvings === null) continue;
      options.push({ cost: kind.cost + FINER_COST * halvings + crossing, places: [{ begin, end, kind }] });
    }
  }
  if (length > SHORTEST_TUPLET) {
    let deepest = level;
    let cuts = pulse.boundaries(begin, end, level);
    while (!cuts.length && deepest < level + 12) cuts = pulse.boundaries(begin, end, ++deepest);
    if (cuts.length) {
      const all = [begin, ...cuts, end];
      const parts = all.slice(1).map((to, i) => cheapest(edges, inner, all[i] ?? 0, to, pulse, deepest + 1));
      options.push({
        cost: parts.reduce((sum, part) => sum + part.cost, 0), places: parts.flatMap((part) => part.places),
      });
    }
  }
  const none: Tuplets = { cost: IMPOSSIBLE, places: [] };
  return options.reduce((best, option) => (option.cost < best.cost ? option : best), options[0] ?? none);
}

/** How often the values of a tuplet must be halved so that all places are on them; null if that is not enough. */
function halvingsOf(places: readonly number[], length: number, { actual, normal }: TupletKind): number | null {
  for (let halvings = 0; halvings <= MOST_HALVINGS; halvings++) {
    if (length / normal / 2 ** halvings < FINEST) return null;
    if (places.every((place) => (place * actual * 2 ** halvings) % length === 0)) return halvings;
  }
  return null;
}

/** Whether values and tuplets exist for these places of a bar, from its beginning to its end. */
export function canBeWritten(edges: readonly number[], pulse: Pulse): boolean {
  const inner = edges.filter((edge) => edge % FINEST !== 0);
  return !inner.length || cheapest(edges, inner, 0, edges.at(-1) ?? 0, pulse, 0).cost < IMPOSSIBLE / 10;
}

function writeTuplet(segments: readonly Segment[], begin: number, end: number, kind: TupletKind): WrittenSymbol[] {
  const { actual, normal } = kind;
  const length = (end - begin) / normal;
  const unit = valueOf(length)?.value ?? "eighth";
  const pulse = tupletPulse(actual, length);
  const written = segments.flatMap((s) => {
    const scaled = { begin: ((s.begin - begin) * actual) / normal, end: ((s.end - begin) * actual) / normal, heads: s.heads };
    return write(scaled, pulse, true);
  });
  return written.map((symbol, i) => ({
    ...symbol,
    onset: begin + (symbol.onset * normal) / actual,
    length: (symbol.length * normal) / actual,
    tuplet: { actual, normal, unit, begins: i === 0, ends: i === written.length - 1 },
  }));
}

// ---------------------------------------------------------------------------------------------------------- beams

/** The symbols with their beams: flags within a beat are joined, and eighths alone within half a bar, or within a bar of
 *  three beats. */
function withBeams(symbols: readonly WrittenSymbol[], pulse: Pulse): WrittenSymbol[] {
  const beamed = [...symbols];
  const beats = pulse.levels[pulse.beat] ?? [];
  for (const group of beamGroups(symbols, pulse)) {
    const flags = group.map((symbol) => flagsOf(symbol));
    // Beams of 16ths are broken between beats.
    const inner = group.map((symbol) => countUntil(beats, symbol.onset + pulse.offset));
    for (const [at, symbol] of group.entries()) {
      const beams = Array.from({ length: flags[at] ?? 0 }, (_, i) => beamOf(flags, inner, at, i + 1));
      beamed[symbols.indexOf(symbol)] = { ...symbol, beams };
    }
  }
  return beamed;
}

function flagsOf(symbol: WrittenSymbol): number {
  return symbol.heads.length ? Math.max(0, VALUE_NAMES.indexOf(symbol.value) - VALUE_NAMES.indexOf("quarter")) : 0;
}

function countUntil(places: readonly number[], place: number): number {
  return places.filter((boundary) => boundary <= place).length;
}

function beamGroups(symbols: readonly WrittenSymbol[], pulse: Pulse): WrittenSymbol[][] {
  const bounds = spans(symbols, pulse);
  const groups: WrittenSymbol[][] = [];
  let group: WrittenSymbol[] = [];
  let span = -1;
  for (const symbol of symbols) {
    const own = countUntil(bounds, symbol.onset + pulse.offset);
    if (own !== span || !flagsOf(symbol)) groups.push((group = []));
    span = own;
    if (flagsOf(symbol)) group.push(symbol);
  }
  return groups.filter((found) => found.length > 1);
}

/** Where groups of beamed notes begin. */
function spans(symbols: readonly WrittenSymbol[], pulse: Pulse): number[] {
  let beats = pulse.levels[pulse.beat] ?? [];
  if (pulse.uneven >= 0) return [...beats];
  const first = beats[1] ?? 0;
  if (beats.length > 1 && first < UNITS / 2) beats = beats.filter((b) => b % UNITS === 0); // short beats, as in 4/16
  const halves = pulse.levels[1];
  let wider = pulse.beat === 2 && halves?.length === 3 ? halves : beats;
  if ((beats.length === 3 || beats.length === 4) && pulse.beat === 1 && beats[1] === UNITS) wider = [0, pulse.length];
  const joined = [0];
  for (const [i, high] of wider.entries()) {
    const low = wider[i - 1];
    if (low === undefined) continue;
    const inside = symbols.filter((s) => low <= s.onset + pulse.offset && s.onset + pulse.offset < high);
    const onlyEighths = inside.length > 0 && inside.every((s) => s.value === "eighth" && s.heads.length && !s.tuplet);
    // Over a value that is longer than a beat, beams never join.
    joined.push(...(onlyEighths ? [high] : beats.filter((b) => low < b && b <= high)));
  }
  return joined;
}

/** One beam of a symbol of a group. */
function beamOf(flags: readonly number[], beats: readonly number[], at: number, number: number): Beam {
  const joins = (other: number): boolean => (flags[other] ?? 0) >= number && (number === 1 || beats[other] === beats[at]);
  const [before, after] = [at > 0 && joins(at - 1), at + 1 < flags.length && joins(at + 1)];
  if (before && after) return "continue";
  if (before || after) return after ? "begin" : "end";
  return at ? "backward hook" : "forward hook";
}

export function sortedUnique(values: Iterable<number>): number[] {
  return [...new Set(values)].sort((a, b) => a - b);
}
