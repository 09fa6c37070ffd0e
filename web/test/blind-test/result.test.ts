/* The result in words, and the checks of what the server sends. */

import { describe, expect, it } from "vitest";

import { parseNext } from "../../src/blind-test/requests";
import { pairText, resultText, resultTitle } from "../../src/blind-test/result";
import type { RevealedPair, TestResult } from "../../src/protocol/blind-test";

const PAIR: RevealedPair = { chosen: "a", real: "a", piece: "BWV 10.7", seed: 5, bars: 16, tempo: 76 };

function result(right: number, count: number, chance: number): TestResult {
  const answers = Array.from({ length: count }, () => PAIR);
  return { type: "result", right, pairs: 10, chance, kept: false, model: "bach", bundle: "00", answers };
}

describe("the result", () => {
  it("says what chance would give", () => {
    expect(resultTitle(result(7, 10, 0.1719))).toBe("7 of 10 right");
    expect(resultText(result(7, 10, 0.1719))).toContain("7 or more 17% of the time.");
    expect(resultText(result(10, 10, 0.001))).toContain("all 10 less than 1% of the time.");
    expect(resultText(result(0, 10, 1))).toContain("you hear a difference");
  });

  it("has nothing to say without an answer", () => {
    expect(resultTitle(result(0, 0, 1))).toBe("No pair was answered");
    expect(resultText(result(0, 0, 1))).toBe("");
  });

  it("names both pieces of a pair", () => {
    expect(pairText(PAIR, "Bach")).toBe("A was by Bach: BWV\u00a010.7. B was composed by the network, with the seed 5.");
    expect(pairText({ ...PAIR, real: "b" }, "Bach")).toMatch(/^B was by Bach: .* A was composed/);
  });
});

describe("what the server sends", () => {
  it("is checked", () => {
    expect(parseNext(result(1, 1, 0.5))).toMatchObject({ right: 1 });
    for (const bad of [null, [], { type: "result" }, { type: "pair" }, { ...result(1, 1, 0.5), answers: [{ ...PAIR, real: "c" }] }]) {
      expect(() => parseNext(bad)).toThrow();
    }
  });
});
