/* Where each sign of the tune stands on its staff: bars, lines of bars, and what a tap on it means. Knows no SVG.

   Lengths are in sixteenths, places in pixels. A line of bars is a system. */

import { barLength, writable, type TuneState } from "./entry";
import { keyAlter, type Pitch } from "./pitches";

/** A sign: an entry, or a part of it where it crosses a bar line or needs a tie to be written. */
export interface Sign {
  /** The index of its entry. */
  readonly entry: number;
  /** Null: a rest. */
  readonly pitch: Pitch | null;
  /** From the beginning of the tune. */
  readonly at: number;
  readonly length: number;
  /** The accidental to write; null: none. */
  readonly accidental: number | null;
  /** Whether it is tied to the next sign. */
  readonly tie: boolean;
  readonly fermata: boolean;
  /** Whether it is the last sign of its entry. */
  readonly last: boolean;
}

export interface BarOfSigns {
  readonly number: number;
  readonly at: number;
  readonly length: number;
  readonly signs: readonly Sign[];
}

export interface PlacedSign extends Sign {
  /** Of the middle of its note head. */
  readonly x: number;
  readonly width: number;
}

export interface PlacedBar {
  readonly number: number;
  readonly x: number;
  readonly width: number;
  readonly signs: readonly PlacedSign[];
  /** Whether all of it is there. */
  readonly full: boolean;
}

export interface System {
  readonly bars: readonly PlacedBar[];
  /** Where the music begins, after clef and key. */
  readonly begin: number;
  readonly first: boolean;
}

export interface StaffLayout {
  readonly systems: readonly System[];
  readonly width: number;
}

const BAR_PADDING = 12;
const CLEF_WIDTH = 36;
const METER_WIDTH = 22;
const ACCIDENTAL_WIDTH = 10;
const ROOM_TO_ADD = 48; // after the last entry, for a tap
const WIDEST_STRETCH = 1.7;
const NARROW = 480; // on a narrower staff, signs stand closer
const CLOSER = 0.8;

/** The bars of a tune; there is always one that is not full, where the next entry goes. */
export function barsOf(tune: TuneState): BarOfSigns[] {
  const full = barLength(tune);
  const bars: { number: number; at: number; length: number; signs: Sign[] }[] = [
    { number: tune.pickup ? 0 : 1, at: 0, length: tune.pickup || full, signs: [] },
  ];
  let at = 0;
  let accidentals = new Map<number, number>(); // of this bar, by step
  for (const [index, entry] of tune.entries.entries()) {
    const continued = index > 0 && isTied(tune, index - 1);
    let rest = entry.length;
    let begun = continued;
    while (rest > 0) {
      let bar = lastOf(bars);
      if (at === bar.at + bar.length) {
        bar = { number: bar.number + 1, at, length: full, signs: [] };
        bars.push(bar);
        accidentals = new Map();
      }
      const inBar = Math.min(rest, bar.at + bar.length - at);
      for (const length of writable(inBar)) {
        rest -= length;
        const pitch = entry.kind === "note" ? { step: entry.step, alter: entry.alter } : null;
        const known = pitch && (accidentals.get(pitch.step) ?? keyAlter(pitch.step, tune.key.fifths));
        const accidental = pitch && !begun && known !== pitch.alter ? pitch.alter : null;
        if (pitch && accidental !== null) accidentals.set(pitch.step, accidental);
        const last = rest === 0;
        bar.signs.push({
          entry: index, pitch, at, length, accidental, last,
          tie: entry.kind === "note" && (!last || entry.tie),
          fermata: entry.kind === "note" && entry.fermata && last,
        });
        begun = true;
        at += length;
      }
    }
  }
  const last = lastOf(bars);
  if (at === last.at + last.length) bars.push({ number: last.number + 1, at, length: full, signs: [] });
  return bars;
}

/** Lays the tune out on systems of this width. */
export function layOut(tune: TuneState, width: number): StaffLayout {
  const bars = barsOf(tune);
  const keyWidth = 11 * Math.abs(tune.key.fifths);
  const closer = width < NARROW ? CLOSER : 1;
  const systems: System[] = [];
  let line: BarOfSigns[] = [];
  const begin = (): number => CLEF_WIDTH + keyWidth + (systems.length ? 4 : METER_WIDTH);
  const finish = (isLast: boolean): void => {
    systems.push(place(line, begin(), width, systems.length === 0, isLast));
    line = [];
  };
  for (const [i, bar] of bars.entries()) {
    const room = i === bars.length - 1 ? ROOM_TO_ADD : 0;
    const wanted = closer * [...line, bar].reduce((sum, b) => sum + naturalWidth(b), room);
    if (line.length && begin() + wanted > width) finish(false);
    line.push(bar);
  }
  finish(true);
  return { systems, width };
}

function place(bars: readonly BarOfSigns[], begin: number, width: number, first: boolean, isLast: boolean): System {
  const room = width - begin;
  const natural = bars.reduce((sum, bar) => sum + naturalWidth(bar), isLast ? ROOM_TO_ADD : 0);
  const stretch = Math.min(isLast ? 1.15 : WIDEST_STRETCH, room / natural); // below 1 on a narrow staff
  let x = begin;
  const placed = bars.map((bar): PlacedBar => {
    const from = x;
    x += BAR_PADDING * stretch;
    const signs = bar.signs.map((sign): PlacedSign => {
      const signWidth = widthOf(sign) * stretch;
      const own = { ...sign, x: x + (sign.accidental === null ? 0 : ACCIDENTAL_WIDTH), width: signWidth };
      x += signWidth;
      return own;
    });
    const full = bar.signs.reduce((sum, sign) => sum + sign.length, 0) === bar.length;
    return { number: bar.number, x: from, width: x - from, signs, full };
  });
  return { bars: placed, begin, first };
}

function naturalWidth(bar: BarOfSigns): number {
  return BAR_PADDING + bar.signs.reduce((sum, sign) => sum + widthOf(sign), 0);
}

function widthOf({ length, accidental }: Sign): number {
  return 15 + 8 * Math.log2(length) + (accidental === null ? 0 : ACCIDENTAL_WIDTH);
}

/** Where the cursor stands: its system and its x. */
export function cursorPlace({ systems }: StaffLayout, cursor: number): { readonly system: number; readonly x: number } {
  let found = { system: 0, x: (systems[0]?.begin ?? 0) + 4 };
  for (const [number, system] of systems.entries()) {
    for (const bar of system.bars) {
      // An empty bar begins where the tune ends.
      if (!bar.signs.length) found = { system: number, x: bar.x + BAR_PADDING / 2 };
      for (const sign of bar.signs) {
        if (sign.entry >= cursor) return found;
        found = { system: number, x: sign.x - (sign.accidental === null ? 0 : ACCIDENTAL_WIDTH) + sign.width - 4 };
      }
    }
  }
  return found;
}

/** The entry at a place of a system; null behind the last one. */
export function entryAt({ systems }: StaffLayout, system: number, x: number): number | null {
  const signs = systems[system]?.bars.flatMap((bar) => bar.signs) ?? [];
  const next = signs.findIndex((sign) => x < leftOf(sign)); // the first one to the right
  const sign = next < 0 ? signs.at(-1) : signs[Math.max(0, next - 1)];
  if (!sign) return null;
  const isBehind = next < 0 && system === systems.length - 1 && x > leftOf(sign) + sign.width;
  return isBehind || (next < 0 && systems[system + 1]?.bars.every((bar) => !bar.signs.length)) ? null : sign.entry;
}

function leftOf(sign: PlacedSign): number {
  return sign.x - (sign.accidental === null ? 0 : ACCIDENTAL_WIDTH) - 7;
}

/** The notes of a bar that one beam joins: neighbours shorter than a quarter within one beat. */
export function beams(bar: Pick<PlacedBar, "signs">, barAt: number, meter: TuneState["meter"]): PlacedSign[][] {
  const [numerator, denominator] = meter;
  const compound = denominator === 8 && numerator % 3 === 0;
  const beat = compound ? 6 : 4;
  const groups: PlacedSign[][] = [];
  let current: PlacedSign[] = [];
  let beatOf = -1;
  for (const sign of bar.signs) {
    const own = Math.floor((sign.at - barAt) / beat);
    const joins = sign.pitch !== null && sign.length < 4;
    if (!joins || own !== beatOf) {
      if (current.length > 1) groups.push(current);
      current = [];
    }
    if (joins) current.push(sign);
    beatOf = own;
  }
  if (current.length > 1) groups.push(current);
  return groups;
}

function isTied(tune: TuneState, index: number): boolean {
  const entry = tune.entries[index];
  return entry?.kind === "note" && entry.tie;
}

function lastOf<T>(list: readonly T[]): T {
  const found = list.at(-1);
  if (found === undefined) throw new RangeError("an empty list");
  return found;
}
