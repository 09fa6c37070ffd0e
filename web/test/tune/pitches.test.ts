import { describe, expect, it } from "vitest";

import { inKey, keyName, midiPitch, pitchName, raise, spell } from "../../src/tune/pitches";

const key = (fifths: number, minor = false): { fifths: number; minor: boolean } => ({ fifths, minor });

describe("pitches", () => {
  it("are spelled by the key", () => {
    const spelled = (fifths: number): string => [60, 61, 63, 66, 68, 70].map((p) => pitchName(spell(p, key(fifths)))).join(" ");
    expect(spelled(0)).toBe("C4 C♯4 E♭4 F♯4 G♯4 B♭4");
    expect(spelled(4)).toBe("B♯3 C♯4 D♯4 F♯4 G♯4 A♯4");
    expect(spelled(-4)).toBe("C4 D♭4 E♭4 G♭4 A♭4 B♭4");
  });

  it("are what they were, in every key", () => {
    for (let fifths = -7; fifths <= 7; fifths++) {
      for (let pitch = 40; pitch <= 88; pitch++) {
        const { step, alter } = spell(pitch, key(fifths));
        expect(midiPitch({ step, alter })).toBe(pitch);
        expect(Math.abs(alter)).toBeLessThanOrEqual(1);
      }
    }
  });

  it("follow the signature", () => {
    expect([0, 1, 2, 3, 4, 5, 6].map((letter) => inKey(28 + letter, 3).alter)).toEqual([1, 0, 0, 1, 1, 0, 0]);
    expect([0, 1, 2, 3, 4, 5, 6].map((letter) => inKey(28 + letter, -7).alter)).toEqual([-1, -1, -1, -1, -1, -1, -1]);
    expect(pitchName(raise({ step: 34, alter: 0 }, 1, 0))).toBe("C5");
  });

  it("have keys with names", () => {
    expect([key(0), key(-3), key(6), key(3, true), key(-6, true), key(7)].map(keyName)).toEqual(
      ["C major", "E♭ major", "F♯ major", "F♯ minor", "E♭ minor", "C♯ major"],
    );
  });
});
