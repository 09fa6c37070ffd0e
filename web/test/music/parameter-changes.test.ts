import { describe, expect, it } from "vitest";

import { inForce, since, withChange } from "../../src/music/parameter-changes";
import type { Change } from "../../src/protocol/messages";

const changes: readonly Change[] = [
  [0, 3, "tempo", 90], [0, 5, "temperature", 1.2], [1, 2, "tempo", 100], [1, 6, "length", 8], [2, 4, "tempo", null],
  [2, 9, "length", 12],
];

describe("changes", () => {
  it("of one knob in one bar take each other's place", () => {
    expect(withChange(changes, [1, 2, "tempo", 70])).toEqual([...changes.filter((c) => c[3] !== 100), [1, 2, "tempo", 70]]);
    expect(withChange(changes, [1, 2, "temperature", 1])).toHaveLength(changes.length + 1);
  });

  it("that a later piece no longer hears are left out", () => {
    expect(since(changes, 2)).toEqual([[0, 5, "temperature", 1.2], [1, 2, "tempo", 100], changes[4], changes[5]]);
    expect(since(changes, 0)).toEqual(changes);
  });

  it("hold from their bar on, in later pieces too", () => {
    expect(inForce(changes, "tempo", 0, 2)).toBeUndefined();
    expect(inForce(changes, "tempo", 0, 3)).toBe(90);
    expect(inForce(changes, "tempo", 1, 1)).toBe(90);
    expect(inForce(changes, "tempo", 2, 3)).toBe(100);
    expect(inForce(changes, "tempo", 7, 1)).toBeNull();
  });

  it("say the same of every later bar when they are shortened", () => {
    for (let piece = 0; piece < 4; piece++) {
      for (let bar = 0; bar < 12; bar++) {
        for (const knob of ["tempo", "temperature"] as const) {
          expect(inForce(since(changes, piece), knob, piece, bar)).toBe(inForce(changes, knob, piece, bar));
        }
      }
    }
  });
});
