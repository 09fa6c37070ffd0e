/* Share links. The fragment of the URL describes music so that it can be played again, for example
   #model=bach-chorales&seed=12&piece=3&changes=3:5:temperature:1.2. Browsers do not send it to the server.

   A link may come from anyone, so every value is checked. */

import { LIMITS, type ParameterChange } from "../protocol/messages";
import { isParameterChange } from "../protocol/parse";

/** The listener's instrument from this bar on. Null means each voice's own. */
export type InstrumentChange = readonly [piece: number, bar: number, program: number | null];

/** A stream from one of its pieces on. */
export interface SharedMusic {
  readonly model: string;
  /** The beginning of the bundle's hash, since another network of the same name composes other notes. */
  readonly bundle: string;
  readonly seed: number;
  readonly bars: number;
  readonly temperature: number | null;
  readonly tempo: number | null;
  readonly piece: number;
  readonly changes: readonly ParameterChange[];
  readonly instruments: readonly InstrumentChange[];
}

const HASH_LENGTH = 12;
const LONGEST_FRAGMENT = 16_000;
const MOST_INSTRUMENTS = 200;
const RANGES = new Map<string, readonly [number, number]>([
  ["temperature", LIMITS.temperature],
  ["tempo", LIMITS.tempo],
  ["length", LIMITS.bars],
]);

export function toFragment(shared: SharedMusic): string {
  const fields: [string, string][] = [
    ["model", encodeURIComponent(shared.model)],
    ["bundle", shared.bundle.slice(0, HASH_LENGTH)],
    ["seed", String(shared.seed)],
    ["bars", String(shared.bars)],
  ];
  if (shared.piece) fields.push(["piece", String(shared.piece)]);
  if (shared.temperature !== null) fields.push(["temperature", String(shared.temperature)]);
  if (shared.tempo !== null) fields.push(["tempo", String(shared.tempo)]);
  if (shared.changes.length) fields.push(["changes", joinEntries(shared.changes)]);
  if (shared.instruments.length) fields.push(["instruments", joinEntries(shared.instruments)]);
  return `#${fields.map(([key, value]) => `${key}=${value}`).join("&")}`;
}

/** The music that a fragment describes; null if it describes none. Invalid values are left out. */
export function fromFragment(fragment: string): SharedMusic | null {
  if (fragment.length > LONGEST_FRAGMENT) return null;
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const seed = integer(given.get("seed"), 0, LIMITS.seed);
  const model = given.get("model");
  if (seed === null || !model || model.length > 200) return null;
  return {
    model,
    seed,
    bundle: (given.get("bundle") ?? "").slice(0, HASH_LENGTH),
    bars: integer(given.get("bars"), ...LIMITS.bars) ?? 16,
    temperature: numberWithin(given.get("temperature"), ...LIMITS.temperature),
    tempo: numberWithin(given.get("tempo"), ...LIMITS.tempo),
    piece: integer(given.get("piece"), 0, 10 ** 6) ?? 0,
    changes: splitEntries(given.get("changes"), LIMITS.changes).map(toChange).filter(isParameterChange),
    instruments: splitEntries(given.get("instruments"), MOST_INSTRUMENTS).map(toInstrument).filter((i) => i !== null),
  };
}

function joinEntries(entries: readonly (readonly (string | number | null)[])[]): string {
  return entries.map((entry) => entry.map((part) => part ?? "-").join(":")).join(",");
}

function splitEntries(text: string | null, limit: number): string[][] {
  return text ? text.split(",", limit).map((entry) => entry.split(":")) : [];
}

function toChange([piece, bar, parameter, value]: string[]): unknown {
  const range = RANGES.get(parameter ?? "");
  const to = value === "-" ? null : range && numberWithin(value ?? null, ...range);
  if (to === undefined || (to === null && value !== "-")) return null;
  return [integer(piece ?? null, 0, 10 ** 6), integer(bar ?? null, 0, 10 ** 4), parameter, to];
}

function toInstrument([piece, bar, program]: string[]): InstrumentChange | null {
  const [p, b] = [integer(piece ?? null, 0, 10 ** 6), integer(bar ?? null, 0, 10 ** 4)];
  const to = program === "-" ? null : integer(program ?? null, 0, 127);
  return p === null || b === null || (to === null && program !== "-") ? null : [p, b, to];
}

function numberWithin(text: string | null, least: number, most: number): number | null {
  if (text === null || text.trim() === "") return null;
  const value = Number(text);
  return value >= least && value <= most ? value : null;
}

function integer(text: string | null, least: number, most: number): number | null {
  return text !== null && /^\d{1,16}$/.test(text) ? numberWithin(text, least, most) : null;
}
