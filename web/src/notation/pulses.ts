/* The levels of a meter: how strong each place of a bar is. Level 0 is the bar line, 1 its largest parts, and so on. As in
   Python's music/notation/pulses.py. Knows nothing of notes. */

import { UNITS, VALUES } from "./model";

export const FINEST = VALUES["128th"];
/** How many beats the groups of an irregular meter have; 8 only over 8 and 16. */
const IRREGULAR: Readonly<Record<number, readonly number[]>> = {
  5: [3, 2], 7: [2, 2, 3], 8: [3, 3, 2], 10: [3, 3, 2, 2], 11: [3, 3, 3, 2],
};

/** The levels of a bar, or of a tuplet. */
export class Pulse {
  private readonly members: readonly ReadonlySet<number>[];

  constructor(
    /** The boundaries of each level, from 0 to the bar's end; each level has those of the one before. */
    readonly levels: readonly (readonly number[])[],
    /** The level of the beats. */
    readonly beat: number,
    /** Values that cross a boundary of this level or a stronger one begin and end on such boundaries; -1: no level. */
    readonly uneven: number,
    /** Where the bar begins, in a pickup, of the full bar. */
    readonly offset = 0,
  ) {
    this.members = levels.map((boundaries) => new Set(boundaries));
  }

  get length(): number {
    return this.levels[0]?.at(-1) ?? 0;
  }

  private get finest(): readonly number[] {
    return this.levels.at(-1) ?? [];
  }

  /** The level of a place in units. */
  level(at: number): number {
    const place = at + this.offset;
    const found = this.members.findIndex((boundaries) => boundaries.has(place));
    if (found >= 0) return found;
    const index = indexBefore(this.finest, place);
    const low = this.finest[index] ?? 0;
    const high = this.finest[index + 1] ?? low;
    let number = this.levels.length;
    for (let part = (high - low) / 2; part >= FINEST && (place - low) % part !== 0; part /= 2) number++;
    return number;
  }

  /** The strongest level with a boundary strictly between two places; null if there is none on any level. */
  strongest(from: number, to: number): number | null {
    const [begin, end] = [from + this.offset, to + this.offset];
    for (const [number, boundaries] of this.levels.entries()) {
      const first = boundaries.find((boundary) => boundary > begin);
      if (first !== undefined && first < end) return number;
    }
    const index = Math.min(indexBefore(this.finest, begin), this.finest.length - 2);
    const origin = this.finest[index] ?? 0;
    const unit = (this.finest[index + 1] ?? origin) - origin;
    let number = this.levels.length;
    for (let part = unit / 2; part >= FINEST; part /= 2, number++) {
      if (Math.floor((begin - origin) / part) * part + part < end - origin) return number;
    }
    return null;
  }

  /** The places strictly between two others that are on this level or a stronger one. */
  boundaries(from: number, to: number, level: number): number[] {
    const [begin, end] = [from + this.offset, to + this.offset];
    const found: number[] = [];
    const own = this.levels[level];
    if (own) {
      for (const place of own) if (begin < place && place < end) found.push(place - this.offset);
      return found;
    }
    for (let i = 0; i + 1 < this.finest.length; i++) {
      const [low, high] = [this.finest[i] ?? 0, this.finest[i + 1] ?? 0];
      if (high <= begin || low >= end) continue;
      const part = Math.max((high - low) / 2 ** (level - this.levels.length + 1), FINEST);
      for (let place = low; place < high; place += part) {
        if (begin < place && place < end) found.push(place - this.offset);
      }
    }
    return found;
  }
}

/** The index of the last of some sorted places that is not after a place; at least 0. */
function indexBefore(places: readonly number[], place: number): number {
  return Math.max(0, places.findLastIndex((boundary) => boundary <= place));
}

/** 0, step, 2 * step, … until the end. */
function steps(end: number, step: number): number[] {
  return Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => i * step);
}

const known = new Map<string, Pulse>();

/** The levels of a bar in this meter.
 *  @param length of the bar in units, if it is a pickup: the end of a full bar; 0 for a full bar. */
export function pulseOf(numerator: number, denominator: number, length = 0): Pulse {
  const name = `${numerator}/${denominator}/${length}`;
  let pulse = known.get(name);
  if (!pulse) {
    if (known.size > 500) known.clear();
    known.set(name, (pulse = makePulse(numerator, denominator, length)));
  }
  return pulse;
}

function makePulse(numerator: number, denominator: number, length: number): Pulse {
  const unit = (4 * UNITS) / denominator;
  const full = unit * numerator;
  const offset = length > 0 && length < full ? full - length : 0;
  const units = steps(full, unit);
  if (numerator % 3 === 0 && (denominator >= 8 || numerator > 3)) {
    const beats = steps(full, 3 * unit); // compound: beats of three
    const levels = [numerator === 12 ? [[0, full], [0, full / 2, full]] : [[0, full]], beats.length > 2 ? [beats] : []].flat();
    return new Pulse([...levels, units], levels.length - 1, levels.length - 1, offset);
  }
  const irregular = IRREGULAR[numerator];
  if (irregular && (numerator !== 8 || denominator >= 8)) {
    const groups = [0];
    for (const count of irregular) groups.push((groups.at(-1) ?? 0) + count * unit);
    return new Pulse([[0, full], groups, units], denominator >= 8 ? 1 : 2, 1, offset);
  }
  const levels = [[0, full]];
  if (numerator % 2 === 0 && numerator > 2) {
    levels.push([0, full / 2, full]);
    if (numerator % 4 === 0 && numerator > 4) levels.push(steps(full, full / 4));
  }
  if (numerator > 1) levels.push(units);
  const beat = levels.length - 1;
  if (unit > UNITS) levels.push(steps(full, unit / 2)); // beats of halves and longer are divided before they are written
  return new Pulse(levels, beat, -1, offset);
}

/** The levels of a tuplet of `actual` values of `unit` units, in written values. */
export function tupletPulse(actual: number, unit: number): Pulse {
  const full = actual * unit;
  const levels = [[0, full]];
  if (actual % 3 === 0 && actual > 3) levels.push(steps(full, 3 * unit));
  levels.push(steps(full, unit));
  return new Pulse(levels, levels.length - 1, -1);
}
