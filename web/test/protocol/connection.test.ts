import { describe, expect, it } from "vitest";

import { backOff } from "../../src/protocol/connection";

describe("backOff", () => {
  it("grows with each attempt up to a limit, and is spread at random", () => {
    expect([0, 1, 2, 3, 10, 1000].map((attempt) => backOff(attempt, 0.5))).toEqual([0.5, 1, 2, 4, 15, 15]);
    expect(backOff(2, 0)).toBeLessThan(backOff(2, 1));
    expect(backOff(1000, 1)).toBeLessThan(20);
  });
});
