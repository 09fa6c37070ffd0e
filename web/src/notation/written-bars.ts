/* The bars of a piece as they are written: their numbers, lengths and meters, and where their beats begin. Knows no notes. */

import { TICKS_PER_QUARTER, UNITS, UNITS_PER_TICK, type PlainBar } from "./model";
import { pulseOf, type Pulse } from "./pulses";
import { sortedUnique } from "./rhythm";

const MAX_NUMERATOR = 255;
const FINEST_TICKS = TICKS_PER_QUARTER / 32;

/** A bar as it is written. */
export interface WrittenBar {
  readonly number: number;
  /** In ticks. */
  readonly begin: number;
  readonly end: number;
  readonly meter: readonly [numerator: number, denominator: number];
  readonly pulse: Pulse;
}

/** The bars with their numbers and lengths. A pickup has number 0 and the meter of the bar after it. The last bar of a piece is
 *  filled up, short of the pickup; any other bar that is too short or too long for its meter has its own meter. */
export function writtenBars(bars: readonly PlainBar[]): WrittenBar[] {
  return bars.map((bar, i) => writtenBar(bars, bar, i));
}

/** One of the bars. */
export function writtenBar(bars: readonly PlainBar[], bar: PlainBar, i: number): WrittenBar {
  const first = bars[0];
  const second = bars[1];
  const isPickup = first !== undefined && (first.bar === undefined ? isShort(first, second) : first.bar === 0);
  const number = bar.bar ?? i + (isPickup ? 0 : 1);
  const begin = bar.tick;
  if (i === 0 && isPickup) {
    const meter = second && isShort(bar, second) ? second.meter : bar.meter;
    const ticks = Math.min(bar.ticks, ticksOf(meter));
    return { number, begin, end: begin + ticks, meter, pulse: pulseOf(...meter, ticks * UNITS_PER_TICK) };
  }
  let [meter, ticks]: [PlainBar["meter"], number] = [bar.meter, ticksOf(bar.meter)];
  if (bar.ticks < ticks && (bar.last ?? i === bars.length - 1)) {
    const pickup = isPickup && i > 1 ? first.ticks : 0;
    if (ticks - pickup >= bar.ticks && pickup < ticks) ticks -= pickup;
  } else if (bar.ticks !== ticks) {
    const own = meterOfLength(bar.ticks);
    if (own) [meter, ticks] = [own, ticksOf(own)];
  }
  return { number, begin, end: begin + ticks, meter, pulse: pulseOf(...meter) };
}

/** Whether a first bar is shorter than its meter, or than the meter of the bar after it. */
function isShort(bar: PlainBar, next: PlainBar | undefined): boolean {
  return bar.ticks < ticksOf(bar.meter) || (next !== undefined && bar.ticks < ticksOf(next.meter));
}

function ticksOf([numerator, denominator]: PlainBar["meter"]): number {
  return (TICKS_PER_QUARTER * 4 * numerator) / denominator;
}

/** The meter of a bar of this length, with the smallest denominator from 4 on; undefined if there is none. */
function meterOfLength(ticks: number): [numerator: number, denominator: number] | undefined {
  let [count, denominator] = [Math.floor(ticks / FINEST_TICKS), 128];
  while (count > 0 && count % 2 === 0 && denominator > 4) [count, denominator] = [count / 2, denominator / 2];
  return count > 0 && count <= MAX_NUMERATOR ? [count, denominator] : undefined;
}

/** Where the beats begin, in units from the bar's beginning. */
export function beatsOf({ pulse, begin, end }: WrittenBar): number[] {
  const places = (pulse.levels[pulse.beat] ?? [0]).map((place) => place - pulse.offset);
  return sortedUnique([0, ...places.filter((place) => place > 0 && place < (end - begin) * UNITS_PER_TICK)]);
}

/** The length of the beat that a metronome counts. */
export function beatLength({ pulse, meter }: WrittenBar): number {
  const places = pulse.levels[pulse.beat] ?? [0];
  const first = places[1] ?? pulse.length;
  const areEqual = places.every((place, i) => i === 0 || place - (places[i - 1] ?? 0) === first);
  return areEqual ? first : (4 * UNITS) / meter[1];
}
