import { describe, expect, it } from "vitest";
import { CHORD_GAP, chordPlaces, chordStretch, type Anchors } from "../../src/notation/chord-places";

const at = (...xs: number[]): Anchors => xs.map((x, i) => ({ onset: i, x }));
const chord = (onset: number, width: number): { onset: number; text: string; width: number } => ({ onset, width, text: "F♯sus4" });

describe("names of chords", () => {
  it("stand at their beats where there is room, and ask for more where there is not", () => {
    expect(chordPlaces([chord(0, 20), chord(1, 30)], at(10, 60, 120)).map(({ x }) => x)).toEqual([8, 58]);
    expect(chordStretch([chord(0, 20), chord(1, 30)], at(10, 60, 120))).toBe(1);
    expect(chordStretch([chord(0, 69), chord(1, 30)], at(10, 60, 120))).toBe(1.5);
    expect(chordStretch([chord(0, 20), chord(1, 84)], at(10, 60, 120))).toBe(1.5);
  });

  it("never touch, and none is left out, however near their beats are", () => {
    const chords = [chord(0, 50), chord(1, 44), chord(2, 8), chord(3, 60)];
    const placed = chordPlaces(chords, at(2, 12, 20, 90, 100));
    expect(placed).toHaveLength(4);
    for (const [i, { x, width }] of placed.entries()) {
      expect(placed[i + 1]?.x ?? Infinity).toBeGreaterThanOrEqual(x + width + CHORD_GAP);
    }
    expect(placed[0]?.x).toBe(0);
  });
});
