/* Checks of JSON values, and ways to combine them. They know no message. */

export class ProtocolError extends Error {}

/** Throws a ProtocolError if the value, which is called `what`, is not of this kind. */
export type Check = (value: unknown, what: string) => void;

export const text: Check = (value, what) => expect(typeof value === "string", "a string", value, what);
export const number: Check = (value, what) => expect(typeof value === "number", "a number", value, what);
export const wholeNumber: Check = (value, what) => expect(Number.isInteger(value), "a whole number", value, what);
export const flag: Check = (value, what) => expect(typeof value === "boolean", "true or false", value, what);

export function oneOf(names: readonly string[]): Check {
  return (value, what) => expect(names.includes(value as string), names.join(" or "), value, what);
}

export function orNull(check: Check): Check {
  return (value, what) => {
    if (value !== null) check(value, what);
  };
}

export function list(entry: Check): Check {
  return (value, what) => {
    expect(Array.isArray(value), "a list", value, what);
    for (const item of value as unknown[]) entry(item, what);
  };
}

/** A list that has exactly these entries. */
export function row(...entries: readonly Check[]): Check {
  return (value, what) => {
    const fits = Array.isArray(value) && value.length === entries.length;
    expect(fits, `a list of ${entries.length}`, value, what);
    for (const [i, entry] of entries.entries()) entry((value as unknown[])[i], what);
  };
}

/** An object that has these keys, and perhaps others. */
export function object(keys: Readonly<Record<string, Check>>): Check {
  return (value, what) => {
    expect(isObject(value), "an object", value, what);
    for (const [key, check] of Object.entries(keys)) check((value as Record<string, unknown>)[key], key);
  };
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function expect(fits: boolean, expected: string, value: unknown, what: string): void {
  if (fits) return;
  const got = value === undefined ? "nothing" : JSON.stringify(value).slice(0, 40);
  throw new ProtocolError(`${what}: expected ${expected}, got ${got}`);
}
