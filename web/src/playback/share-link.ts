/* Share links. The fragment of the URL describes music so that it can be played again, for example
   #model=bach-chorales&seed=12&piece=3&changes=3:5:temperature:1.2. Browsers do not send it to the server.

   A link may come from anyone, so every value is checked. A link with a value that is damaged, unknown or cut off is not
   read at all: without that value, other music would play. What a messenger cut off shows in `check`, a hash of the rest;
   links that people write by hand have none. */

import { givenValues, parameterValues, type ParameterValues } from "../music/parameter-changes";
import {
  DEFAULT_BARS, LASTING_PARAMETERS, LIMITS, PARAMETERS, WEB_RUNTIME, type ChangeRow,
} from "../protocol/messages";

/** The listener's instrument from this bar on. Null means each voice's own. */
export type InstrumentChange = readonly [piece: number, bar: number, program: number | null];

/** A stream from one of its pieces on. */
export interface SharedMusic extends ParameterValues {
  readonly model: string;
  /** The beginning of the bundle's hash, since another network of the same name composes other notes. */
  readonly bundle: string;
  /** The engine in the page composes other notes than a server. Null means a server's runtime. */
  readonly runtime: typeof WEB_RUNTIME | null;
  readonly seed: number;
  readonly bars: number;
  readonly piece: number;
  readonly changes: readonly ChangeRow[];
  readonly instruments: readonly InstrumentChange[];
}

const HASH_LENGTH = 12;
const LONGEST_FRAGMENT = 16_000;
export const MOST_INSTRUMENTS = 200;
const LAST_BAR = 10_000; // in which the instrument may change
const LAST_PROGRAM = 127;
const KEYS = ["check", "model", "bundle", "runtime", "seed", "bars", "piece", ...LASTING_PARAMETERS, "changes", "instruments"];

/** Why a link cannot be read. */
export class DamagedLink extends Error {}

export function toFragment(shared: SharedMusic): string {
  const text = describe(shared);
  return `#check=${hash(text)}&${text}`;
}

/** The music that a fragment describes; null if it is no share link. Throws DamagedLink if not every value can be read. */
export function fromFragment(fragment: string): SharedMusic | null {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  if (!given.has("model") && !given.has("seed") && !given.has("check")) return null;
  if (fragment.length > LONGEST_FRAGMENT) throw new DamagedLink("it is too long");
  for (const key of new Set(given.keys())) {
    if (!KEYS.includes(key)) throw new DamagedLink(`this page does not know its “${key.slice(0, 20)}”`);
    if (given.getAll(key).length > 1) throw new DamagedLink(`it has two values for “${key}”`);
  }
  const shared: SharedMusic = {
    model: required(given, "model", (text) => (text.length > 0 && text.length <= LIMITS.model ? text : null)),
    seed: required(given, "seed", (text) => integer(text, LIMITS.seed)),
    bundle: optional(given, "bundle", (text) => (/^[0-9a-f]*$/.test(text) ? text.slice(0, HASH_LENGTH) : null)) ?? "",
    runtime: optional(given, "runtime", (text) => (text === WEB_RUNTIME ? text : null)),
    bars: optional(given, "bars", (text) => integer(text, LIMITS.bars)) ?? DEFAULT_BARS,
    ...parameterValues((name) => optional(given, name, (text) => numberWithin(text, LIMITS[name]))),
    piece: optional(given, "piece", (text) => integer(text, LIMITS.piece)) ?? 0,
    changes: optional(given, "changes", (text) => readEntries(text, LIMITS.changes, toChange)) ?? [],
    instruments: optional(given, "instruments", (text) => readEntries(text, MOST_INSTRUMENTS, toInstrument)) ?? [],
  };
  const check = given.get("check");
  if (check !== null && check !== hash(describe(shared))) throw new DamagedLink("a part of it is missing or changed");
  return shared;
}

function describe(shared: SharedMusic): string {
  const fields: [string, string][] = [
    ["model", encodeURIComponent(shared.model)],
    ["bundle", shared.bundle.slice(0, HASH_LENGTH)],
    ...(shared.runtime ? [["runtime", shared.runtime] as [string, string]] : []),
    ["seed", String(shared.seed)],
    ["bars", String(shared.bars)],
  ];
  if (shared.piece) fields.push(["piece", String(shared.piece)]);
  for (const [name, value] of Object.entries(givenValues(shared))) fields.push([name, String(value)]);
  if (shared.changes.length) fields.push(["changes", joinEntries(shared.changes)]);
  if (shared.instruments.length) fields.push(["instruments", joinEntries(shared.instruments)]);
  return fields.map(([key, value]) => `${key}=${value}`).join("&");
}

/** FNV-1a, of 32 bits. */
function hash(text: string): string {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value.toString(36);
}

function required<T>(given: URLSearchParams, key: string, read: (text: string) => T | null): T {
  const value = optional(given, key, read);
  if (value === null) throw new DamagedLink(`its “${key}” is missing`);
  return value;
}

function optional<T>(given: URLSearchParams, key: string, read: (text: string) => T | null): T | null {
  const text = given.get(key);
  const value = text === null ? null : read(text);
  if (text !== null && value === null) throw new DamagedLink(`its “${key}” is damaged`);
  return value;
}

function joinEntries(entries: readonly (readonly (string | number | null)[])[]): string {
  return entries.map((entry) => entry.map((part) => part ?? "-").join(":")).join(",");
}

/** Null if there are too many entries, or one of them cannot be read. */
function readEntries<T>(text: string, limit: number, read: (parts: string[]) => T | null): T[] | null {
  const entries = text.split(",", limit + 1).map((entry) => read(entry.split(":")));
  const found = entries.filter((entry) => entry !== null);
  return found.length === entries.length && found.length <= limit ? found : null;
}

function toChange([piece, bar, parameter, value, ...more]: string[]): ChangeRow | null {
  const [p, b] = [integer(piece ?? null, LIMITS.piece), integer(bar ?? null, LIMITS.bar)];
  const name = PARAMETERS.find((known) => known === parameter);
  if (p === null || b === null || name === undefined || more.length) return null;
  const to = value === "-" ? null : numberWithin(value ?? null, LIMITS[name]);
  return to === null && value !== "-" ? null : [p, b, name, to];
}

function toInstrument([piece, bar, program, ...more]: string[]): InstrumentChange | null {
  const [p, b] = [integer(piece ?? null, LIMITS.piece), integer(bar ?? null, [0, LAST_BAR])];
  const to = program === "-" ? null : integer(program ?? null, [0, LAST_PROGRAM]);
  return p === null || b === null || (to === null && program !== "-") || more.length ? null : [p, b, to];
}

function numberWithin(text: string | null, [least, most]: readonly [number, number]): number | null {
  if (text === null || text.trim() === "") return null;
  const value = Number(text);
  return value >= least && value <= most ? value : null;
}

function integer(text: string | null, range: readonly [number, number]): number | null {
  return text !== null && /^\d{1,16}$/.test(text) ? numberWithin(text, range) : null;
}
