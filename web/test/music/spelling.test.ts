import { describe, expect, it } from "vitest";

import { C_MAJOR, keyName, keyOf, pitchName, spell, spellSymbol } from "../../src/music/spelling";

const notes = (pitches: readonly number[], ticks = 480): { pitch: number; ticks: number }[] =>
  pitches.map((pitch) => ({ pitch, ticks }));
const triadsOf = (tonic: number, third: number): number[] =>
  [0, third, 7, 12, 5, 5 + third, 12, 7, 11, 14, 0, third, 7, 2, 0].map((step) => tonic + step);

describe("the estimated key", () => {
  it("is that of the notes, in every key, with the fewer accidentals", () => {
    const major = Array.from({ length: 12 }, (_, i) => keyName(keyOf(notes(triadsOf(60 + i, 4)))));
    expect(major).toEqual(["C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B"].map((name) => `${name} major`));
    const minor = Array.from({ length: 12 }, (_, i) => keyName(keyOf(notes(triadsOf(60 + i, 3)))));
    expect(minor).toEqual(["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "B♭", "B"].map((name) => `${name} minor`));
  });

  it("has the signature of the scale that the music uses", () => {
    expect(keyOf(notes([62, 64, 65, 67, 69, 71, 72, 74, 71, 69, 62])).fifths).toBe(0); // D dorian
    expect(keyOf(notes([62, 64, 65, 67, 69, 70, 72, 74, 70, 69, 62]))).toEqual({ fifths: -1, minor: true });
  });

  it("weighs notes by their lengths, and is C major without notes", () => {
    expect(keyOf([...notes([65, 69, 72, 70, 76], 960), ...notes([66, 61], 30)])).toEqual({ fifths: -1, minor: false });
    expect([keyOf([]), keyOf(notes([60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71]))]).toEqual([C_MAJOR, C_MAJOR]);
  });
});

describe("a pitch", () => {
  const scale = (fifths: number, minor: boolean): string =>
    Array.from({ length: 12 }, (_, i) => pitchName(60 + i, { fifths, minor })).join(" ");

  it("is spelled by key", () => {
    expect(scale(0, false)).toBe("C4 C♯4 D4 E♭4 E4 F4 F♯4 G4 G♯4 A4 B♭4 B4");
    expect(scale(0, true)).toBe("C4 C♯4 D4 D♯4 E4 F4 F♯4 G4 G♯4 A4 B♭4 B4");
    expect(scale(-1, false)).toBe("C4 C♯4 D4 E♭4 E4 F4 F♯4 G4 A♭4 A4 B♭4 B4");
    expect(scale(-4, false)).toBe("C4 D♭4 D4 E♭4 E4 F4 G♭4 G4 A♭4 A4 B♭4 C♭5");
    expect(scale(4, true)).toBe("B♯3 C♯4 D4 D♯4 E4 E♯4 F♯4 F♯♯4 G♯4 A4 A♯4 B4");
  });

  it("keeps its sound, in every key", () => {
    const naturals = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 };
    for (let pitch = 0; pitch < 128; pitch++) {
      for (let fifths = -6; fifths <= 6; fifths++) {
        for (const minor of [false, true]) {
          const { step, alter, octave } = spell(pitch, fifths, minor);
          expect(12 * (octave + 1) + naturals[step] + alter).toBe(pitch);
          expect(Math.abs(alter)).toBeLessThanOrEqual(2);
        }
      }
    }
  });
});

describe("a symbol of the network", () => {
  it("is spelled where it consists of pitches, and is kept otherwise", () => {
    const fMajor = { fifths: -1, minor: false };
    expect(["A#3", "A2.D#3", "A#", "C-1", "hold", "R", "?", "Bar", "A.x", "67"].map((symbol) => spellSymbol(symbol, fMajor)))
      .toEqual(["B♭3", "A2.E♭3", "B♭", "C-1", "hold", "R", "?", "Bar", "A.x", "67"]);
    expect(spellSymbol("A#3", { fifths: 5, minor: false })).toBe("A♯3");
  });
});
