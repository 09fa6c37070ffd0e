/* The listener's parameter changes, as the server recorded them. Share links and reconnections need them. */

import { LIMITS, type Parameter, type ParameterChange } from "../protocol/messages";

/** Adds a change. It replaces an earlier change of the same parameter in the same bar. */
export function withChange(changes: readonly ParameterChange[], added: ParameterChange): readonly ParameterChange[] {
  const [piece, bar, parameter] = added;
  return [...changes.filter((c) => !(c[0] === piece && c[1] === bar && c[2] === parameter)), added];
}

/** The changes that affect the pieces from `piece` on: the last earlier change of each parameter, and all later ones. A
 *  change of length affects its own piece only. */
export function changesFrom(changes: readonly ParameterChange[], piece: number): readonly ParameterChange[] {
  const earlier = changes.filter((c) => c[0] < piece && c[2] !== "length");
  const latest = earlier.filter((c, i) => !earlier.slice(i + 1).some((later) => later[2] === c[2]));
  return [...latest, ...changes.filter((c) => c[0] >= piece)].slice(-LIMITS.changes);
}

/** The value of a parameter in a bar; undefined if it has not been changed. */
export function valueAt(
  changes: readonly ParameterChange[],
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
