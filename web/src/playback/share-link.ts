/* Share links. The fragment of the URL describes music so that it can be played again, for example
   #model=bach-chorales&seed=12&piece=3&changes=3:5:temperature:1.2. Browsers do not send it to the server.

   A link may come from anyone, so every value is checked. */

import { givenValues, parameterValues, type ParameterValues } from "../music/parameter-changes";
import { DEFAULT_BARS, LIMITS, PARAMETERS, type ChangeRow } from "../protocol/messages";

/** The listener's instrument from this bar on. Null means each voice's own. */
export type InstrumentChange = readonly [piece: number, bar: number, program: number | null];

/** A stream from one of its pieces on. */
export interface SharedMusic extends ParameterValues {
  readonly model: string;
  /** The beginning of the bundle's hash, since another network of the same name composes other notes. */
  readonly bundle: string;
  readonly seed: number;
  readonly bars: number;
  readonly piece: number;
  readonly changes: readonly ChangeRow[];
  readonly instruments: readonly InstrumentChange[];
}

const HASH_LENGTH = 12;
const LONGEST_FRAGMENT = 16_000;
const MOST_INSTRUMENTS = 200;
const LAST_BAR = 10_000; // in which the instrument may change
const LAST_PROGRAM = 127;

export function toFragment(shared: SharedMusic): string {
  const fields: [string, string][] = [
    ["model", encodeURIComponent(shared.model)],
    ["bundle", shared.bundle.slice(0, HASH_LENGTH)],
    ["seed", String(shared.seed)],
    ["bars", String(shared.bars)],
  ];
  if (shared.piece) fields.push(["piece", String(shared.piece)]);
  for (const [name, value] of Object.entries(givenValues(shared))) fields.push([name, String(value)]);
  if (shared.changes.length) fields.push(["changes", joinEntries(shared.changes)]);
  if (shared.instruments.length) fields.push(["instruments", joinEntries(shared.instruments)]);
  return `#${fields.map(([key, value]) => `${key}=${value}`).join("&")}`;
}

/** The music that a fragment describes; null if it describes none. Invalid values are left out. */
export function fromFragment(fragment: string): SharedMusic | null {
  if (fragment.length > LONGEST_FRAGMENT) return null;
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const seed = integer(given.get("seed"), LIMITS.seed);
  const model = given.get("model");
  if (seed === null || !model || model.length > LIMITS.model) return null;
  return {
    model,
    seed,
    bundle: (given.get("bundle") ?? "").slice(0, HASH_LENGTH),
    bars: integer(given.get("bars"), LIMITS.bars) ?? DEFAULT_BARS,
    ...parameterValues((name) => numberWithin(given.get(name), LIMITS[name])),
    piece: integer(given.get("piece"), LIMITS.piece) ?? 0,
    changes: splitEntries(given.get("changes"), LIMITS.changes).map(toChange).filter((c) => c !== null),
    instruments: splitEntries(given.get("instruments"), MOST_INSTRUMENTS).map(toInstrument).filter((i) => i !== null),
  };
}

function joinEntries(entries: readonly (readonly (string | number | null)[])[]): string {
  return entries.map((entry) => entry.map((part) => part ?? "-").join(":")).join(",");
}

function splitEntries(text: string | null, limit: number): string[][] {
  return text ? text.split(",", limit).map((entry) => entry.split(":")) : [];
}

function toChange([piece, bar, parameter, value]: string[]): ChangeRow | null {
  const [p, b] = [integer(piece ?? null, LIMITS.piece), integer(bar ?? null, LIMITS.bar)];
  const name = PARAMETERS.find((known) => known === parameter);
  if (p === null || b === null || name === undefined) return null;
  const to = value === "-" ? null : numberWithin(value ?? null, LIMITS[name]);
  return to === null && value !== "-" ? null : [p, b, name, to];
}

function toInstrument([piece, bar, program]: string[]): InstrumentChange | null {
  const [p, b] = [integer(piece ?? null, LIMITS.piece), integer(bar ?? null, [0, LAST_BAR])];
  const to = program === "-" ? null : integer(program ?? null, [0, LAST_PROGRAM]);
  return p === null || b === null || (to === null && program !== "-") ? null : [p, b, to];
}

function numberWithin(text: string | null, [least, most]: readonly [number, number]): number | null {
  if (text === null || text.trim() === "") return null;
  const value = Number(text);
  return value >= least && value <= most ? value : null;
}

function integer(text: string | null, range: readonly [number, number]): number | null {
  return text !== null && /^\d{1,16}$/.test(text) ? numberWithin(text, range) : null;
}
