import { describe, expect, it } from "vitest";

import { changesFrom, valueAt, withChange } from "../../src/music/parameter-changes";
import type { ChangeRow } from "../../src/protocol/messages";

const changes: readonly ChangeRow[] = [
  [0, 3, "tempo", 90], [0, 5, "temperature", 1.2], [1, 2, "tempo", 100], [1, 6, "length", 8], [2, 4, "tempo", null],
  [2, 9, "length", 12],
];

describe("parameter changes", () => {
  it("replace those of the same parameter in the same bar and in later ones, as on the server", () => {
    const [first, second, , length, , last] = changes;
    expect(withChange(changes, [1, 2, "tempo", 70])).toEqual([first, second, [1, 2, "tempo", 70], length, last]);
    expect(withChange(changes, [1, 2, "temperature", 1])).toHaveLength(changes.length + 1);
  });

  it("stay in the order of their bars, in which the server wants them", () => {
    const added: ChangeRow = [0, 4, "temperature", 1];
    expect(withChange([[0, 3, "tempo", 90], [1, 6, "length", 8]], added)).toEqual(
      [[0, 3, "tempo", 90], added, [1, 6, "length", 8]],
    );
  });

  it("are left out if they do not affect a later piece", () => {
    expect(changesFrom(changes, 2)).toEqual([[0, 5, "temperature", 1.2], [1, 2, "tempo", 100], changes[4], changes[5]]);
    expect(changesFrom(changes, 0)).toEqual(changes);
  });

  it("take effect from their bar on, in later pieces too", () => {
    expect(valueAt(changes, "tempo", 0, 2)).toBeUndefined();
    expect(valueAt(changes, "tempo", 0, 3)).toBe(90);
    expect(valueAt(changes, "tempo", 1, 1)).toBe(90);
    expect(valueAt(changes, "tempo", 2, 3)).toBe(100);
    expect(valueAt(changes, "tempo", 7, 1)).toBeNull();
  });

  it("give the same value in every later bar when they are shortened", () => {
    for (let piece = 0; piece < 4; piece++) {
      for (let bar = 0; bar < 12; bar++) {
        for (const parameter of ["tempo", "temperature"] as const) {
          expect(valueAt(changesFrom(changes, piece), parameter, piece, bar)).toBe(valueAt(changes, parameter, piece, bar));
        }
      }
    }
  });
});
