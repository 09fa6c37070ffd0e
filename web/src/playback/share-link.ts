/* A share link's fragment: what plays the same music again. A fragment never leaves the browser, so it can be read by people
   and costs no server anything: #model=bach-chorales&seed=12&piece=3&changes=3:5:temperature:1.2

   Knows nothing of the page. What it reads may come from anyone. */

import { LIMITS, type Change } from "../protocol/messages";
import { isChange } from "../protocol/parse";

/** From a bar of a piece on the listener's instrument; null is each voice's own. */
export type InstrumentChange = readonly [piece: number, bar: number, program: number | null];

export interface Shared {
  readonly model: string;
  /** The beginning of the bundle's hash: another network of the same name plays other notes. */
  readonly bundle: string;
  readonly seed: number;
  readonly bars: number;
  readonly temperature: number | null;
  readonly tempo: number | null;
  readonly piece: number;
  readonly changes: readonly Change[];
  readonly instruments: readonly InstrumentChange[];
}

const HASH_LENGTH = 12;
const LONGEST = 16_000;
const MOST_INSTRUMENTS = 200;
const RANGES = new Map<string, readonly [number, number]>([
  ["temperature", LIMITS.temperature],
  ["tempo", LIMITS.tempo],
  ["length", LIMITS.bars],
]);

export function toFragment(shared: Shared): string {
  const fields: [string, string][] = [
    ["model", encodeURIComponent(shared.model)],
    ["bundle", shared.bundle.slice(0, HASH_LENGTH)],
    ["seed", String(shared.seed)],
    ["bars", String(shared.bars)],
  ];
  if (shared.piece) fields.push(["piece", String(shared.piece)]);
  if (shared.temperature !== null) fields.push(["temperature", String(shared.temperature)]);
  if (shared.tempo !== null) fields.push(["tempo", String(shared.tempo)]);
  if (shared.changes.length) fields.push(["changes", timed(shared.changes)]);
  if (shared.instruments.length) fields.push(["instruments", timed(shared.instruments)]);
  return `#${fields.map(([key, value]) => `${key}=${value}`).join("&")}`;
}

/** What a fragment asks for; null where it asks for nothing, or for what cannot be. */
export function fromFragment(fragment: string): Shared | null {
  if (fragment.length > LONGEST) return null;
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const seed = whole(given.get("seed"), 0, LIMITS.seed);
  const model = given.get("model");
  if (seed === null || !model || model.length > 200) return null;
  return {
    model,
    seed,
    bundle: (given.get("bundle") ?? "").slice(0, HASH_LENGTH),
    bars: whole(given.get("bars"), ...LIMITS.bars) ?? 16,
    temperature: within(given.get("temperature"), ...LIMITS.temperature),
    tempo: within(given.get("tempo"), ...LIMITS.tempo),
    piece: whole(given.get("piece"), 0, 10 ** 6) ?? 0,
    changes: untimed(given.get("changes"), LIMITS.changes).map(toChange).filter(isKnown),
    instruments: untimed(given.get("instruments"), MOST_INSTRUMENTS).map(toInstrument).filter((i) => i !== null),
  };
}

function timed(entries: readonly (readonly (string | number | null)[])[]): string {
  return entries.map((entry) => entry.map((part) => part ?? "-").join(":")).join(",");
}

function untimed(text: string | null, most: number): string[][] {
  return text ? text.split(",", most).map((entry) => entry.split(":")) : [];
}

function toChange([piece, bar, knob, value]: string[]): unknown {
  const range = RANGES.get(knob ?? "");
  const to = value === "-" ? null : range && within(value ?? null, ...range);
  if (to === undefined || (to === null && value !== "-")) return null;
  return [whole(piece ?? null, 0, 10 ** 6), whole(bar ?? null, 0, 10 ** 4), knob, to];
}

function isKnown(change: unknown): change is Change {
  return isChange(change);
}

function toInstrument([piece, bar, program]: string[]): InstrumentChange | null {
  const [p, b] = [whole(piece ?? null, 0, 10 ** 6), whole(bar ?? null, 0, 10 ** 4)];
  const to = program === "-" ? null : whole(program ?? null, 0, 127);
  return p === null || b === null || (to === null && program !== "-") ? null : [p, b, to];
}

function within(text: string | null, least: number, most: number): number | null {
  if (text === null || text.trim() === "") return null;
  const value = Number(text);
  return value >= least && value <= most ? value : null;
}

function whole(text: string | null, least: number, most: number): number | null {
  return text !== null && /^\d{1,16}$/.test(text) ? within(text, least, most) : null;
}
