/* The knobs that were turned, as the server recorded them: what a share link and a lost connection need.

   Knows nothing of the page or of links. */

import { LIMITS, type Change } from "../protocol/messages";

/** With one more: a second change of one knob in one bar takes the first one's place. */
export function withChange(changes: readonly Change[], added: Change): readonly Change[] {
  const [piece, bar, knob] = added;
  return [...changes.filter((c) => !(c[0] === piece && c[1] === bar && c[2] === knob)), added];
}

/** What pieces from `piece` on still hear of them: of earlier pieces the last turn of each knob, save lengths, which hold
 *  for one piece only. */
export function since(changes: readonly Change[], piece: number): readonly Change[] {
  const earlier = changes.filter((c) => c[0] < piece && c[2] !== "length");
  const kept = earlier.filter((c, i) => !earlier.slice(i + 1).some((later) => later[2] === c[2]));
  return [...kept, ...changes.filter((c) => c[0] >= piece)].slice(-LIMITS.changes);
}

/** A knob's value where the music is now; undefined where it was never turned. */
export function inForce(
  changes: readonly Change[],
  knob: Change[2],
  piece: number,
  bar: number,
): number | null | undefined {
  let value: number | null | undefined;
  for (const [p, b, name, to] of changes) {
    if (name === knob && (p < piece || (p === piece && b <= bar))) value = to;
  }
  return value;
}
