import { describe, expect, it } from "vitest";

import { backOff, disconnection } from "../../src/protocol/connection";

describe("backOff", () => {
  it("grows with each attempt up to a limit, and is spread at random", () => {
    expect([0, 1, 2, 3, 10, 1000].map((attempt) => backOff(attempt, 0.5))).toEqual([0.5, 1, 2, 4, 15, 15]);
    expect(backOff(2, 0)).toBeLessThan(backOff(2, 1));
    expect(backOff(1000, 1)).toBeLessThan(20);
  });
});

describe("disconnection", () => {
  it("tells a restart as such, and waits for it", () => {
    for (const code of [1001, 1012]) {
      expect(disconnection(code)).toEqual({ retryAfter: 2, reason: "The server is restarting." });
    }
  });

  it("does not retry what was rejected, and retries at once what the network broke", () => {
    expect(disconnection(1008, "no such model")).toEqual({ retryAfter: null, reason: "No such model." });
    expect(disconnection(1006)).toEqual({ retryAfter: 0, reason: "The connection was lost." });
  });
});
