import { describe, expect, it } from "vitest";

import { rankSymbols } from "../../src/page/choices";

describe("the symbols of a choice", () => {
  it("are ranked by probability, with the chosen one marked", () => {
    const shown = rankSymbols(["A2.F#3", 0.2, [["R", 0.5], ["B2", 0.1]]], 45);
    expect(shown.map((ranked) => [ranked.symbol, ranked.chosen])).toEqual([["R", false], ["A2.F♯3", true], ["B2", false]]);
  });

  it("are shown by name where they are pitches", () => {
    expect(rankSymbols(["67", 0.8, [["69", 0.1], ["hold", 0.05]]], 67).map((ranked) => ranked.symbol)).toEqual(["G4", "A4", "hold"]);
    expect(rankSymbols(["3", 0.8, [["69", 0.1]]], 67).map((ranked) => ranked.symbol)).toEqual(["3", "69"]);
    expect(rankSymbols(["60", 0.8, [["21", 0.1], ["128", 0.05], ["-1", 0.01]]], 60).map((ranked) => ranked.symbol))
      .toEqual(["C4", "A0", "128", "-1"]);
  });

  it("are spelled by key", () => {
    const choice = ["A#3", 0.8, [["58", 0.1], ["D#4", 0.05], ["hold", 0.02]]] as const;
    const [fMajor, bMajor] = [{ fifths: -1, minor: false }, { fifths: 5, minor: false }];
    expect(rankSymbols(choice, 58, fMajor).map((ranked) => ranked.symbol)).toEqual(["B♭3", "58", "E♭4", "hold"]);
    expect(rankSymbols(choice, 58, bMajor).map((ranked) => ranked.symbol)).toEqual(["A♯3", "58", "D♯4", "hold"]);
    expect(rankSymbols(["58", 0.8, []], 58, fMajor).map((ranked) => ranked.symbol)).toEqual(["B♭3"]);
  });
});
