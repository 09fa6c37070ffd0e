import { describe, expect, it } from "vitest";

import { pitchName, rankSymbols } from "../../src/page/choices";

describe("the symbols of a choice", () => {
  it("are ranked by probability, with the chosen one marked", () => {
    const shown = rankSymbols(["A2.F#3", 0.2, [["R", 0.5], ["B2", 0.1]]], 45);
    expect(shown.map((ranked) => [ranked.symbol, ranked.chosen])).toEqual([["R", false], ["A2.F#3", true], ["B2", false]]);
  });

  it("are shown by name where they are pitches", () => {
    expect(rankSymbols(["67", 0.8, [["69", 0.1], ["hold", 0.05]]], 67).map((ranked) => ranked.symbol)).toEqual(["G4", "A4", "hold"]);
    expect(rankSymbols(["3", 0.8, [["69", 0.1]]], 67).map((ranked) => ranked.symbol)).toEqual(["3", "69"]);
    expect(["60", "21", "128", "hold", "-1"].map(pitchName)).toEqual(["C4", "A0", "128", "hold", "-1"]);
  });
});
