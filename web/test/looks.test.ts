import { describe, expect, it } from "vitest";

import { pitchName, rows } from "../src/choices";
import { backOff } from "../src/connection";
import { NO_CLUE, solidity } from "../src/roll";

describe("what is shown of a choice", () => {
  it("is in the order of likelihood, with what was taken marked", () => {
    const shown = rows(["A2.F#3", 0.2, [["R", 0.5], ["B2", 0.1]]], 45);
    expect(shown.map((row) => [row.symbol, row.taken])).toEqual([["R", false], ["A2.F#3", true], ["B2", false]]);
  });

  it("tells pitches by name, where the numbers are pitches", () => {
    expect(rows(["67", 0.8, [["69", 0.1], ["hold", 0.05]]], 67).map((row) => row.symbol)).toEqual(["G4", "A4", "hold"]);
    expect(rows(["3", 0.8, [["69", 0.1]]], 67).map((row) => row.symbol)).toEqual(["3", "69"]);
    expect(["60", "21", "128", "hold", "-1"].map(pitchName)).toEqual(["C4", "A0", "128", "hold", "-1"]);
  });
});

describe("how solid a note is drawn", () => {
  it("grows with how sure the network was, from an outline to a whole note", () => {
    const drawn = [0, NO_CLUE, 0.4, 0.6, 0.75, 1].map(solidity);
    expect(drawn).toEqual([...drawn].sort((a, b) => a - b));
    expect([drawn[0], drawn[1], drawn[4], drawn[5]]).toEqual([0, 0, 1, 1]);
  });
});

describe("backing off", () => {
  it("waits longer and longer, never for ever, and not all at once", () => {
    expect([0, 1, 2, 3, 10, 1000].map((attempt) => backOff(attempt, 0.5))).toEqual([0.5, 1, 2, 4, 15, 15]);
    expect(backOff(2, 0)).toBeLessThan(backOff(2, 1));
    expect(backOff(1000, 1)).toBeLessThan(20);
  });
});
