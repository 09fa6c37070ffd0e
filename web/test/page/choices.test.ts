import { describe, expect, it } from "vitest";

import { pitchName, rows } from "../../src/page/choices";

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
