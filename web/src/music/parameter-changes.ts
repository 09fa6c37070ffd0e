/* The listener's parameter changes, as the server recorded them. Share links and reconnections need them. */

import {
  LASTING_PARAMETERS,
  LIMITS,
  type ChangeRow,
  type LastingParameter,
  type Parameter,
} from "../protocol/messages";

/** A value for each lasting parameter. Null means its default: of the model, or of the piece. */
export type ParameterValues = Readonly<Record<LastingParameter, number | null>>;

export function parameterValues(valueOf: (parameter: LastingParameter) => number | null): ParameterValues {
  const entries = LASTING_PARAMETERS.map((parameter) => [parameter, valueOf(parameter)] as const);
  return Object.fromEntries(entries) as Record<LastingParameter, number | null>;
}

/** The values that are not defaults. */
export function givenValues(values: ParameterValues): Partial<Record<LastingParameter, number>> {
  return Object.fromEntries(LASTING_PARAMETERS.flatMap((parameter) => {
    const value = values[parameter];
    return value === null ? [] : [[parameter, value]];
  }));
}

/** Adds a change, in the order of their bars. As on the server, it replaces the changes of the same parameter in this bar
 *  and in later ones. */
export function withChange(changes: readonly ChangeRow[], added: ChangeRow): readonly ChangeRow[] {
  const isKept = (c: ChangeRow): boolean => c[2] !== added[2] || compareBars(c, added) < 0;
  return [...changes.filter(isKept), added].sort(compareBars);
}

function compareBars(a: ChangeRow, b: ChangeRow): number {
  return a[0] - b[0] || a[1] - b[1];
}

/** The changes that affect the pieces from `piece` on: the last earlier change of each lasting parameter, and all later
 *  ones. */
export function changesFrom(changes: readonly ChangeRow[], piece: number): readonly ChangeRow[] {
  const earlier = changes.filter((c) => c[0] < piece && isLasting(c[2]));
  const latest = earlier.filter((c, i) => !earlier.slice(i + 1).some((later) => later[2] === c[2]));
  return [...latest, ...changes.filter((c) => c[0] >= piece)].slice(-LIMITS.changes);
}

function isLasting(parameter: Parameter): boolean {
  return (LASTING_PARAMETERS as readonly Parameter[]).includes(parameter);
}

/** The value of a parameter in a bar; undefined if it has not been changed. */
export function valueAt(
  changes: readonly ChangeRow[],
  parameter: Parameter,
  piece: number,
  bar: number,
): number | null | undefined {
  let value: number | null | undefined;
  for (const [p, b, name, to] of changes) {
    if (name === parameter && (p < piece || (p === piece && b <= bar))) value = to;
  }
  return value;
}
