import { describe, expect, it } from "vitest";

import { Take } from "../../src/tune/take";

const SIXTEENTH = 0.15; // seconds

function taken(...presses: readonly (readonly [pitch: number, begin: number, end: number])[]): ReturnType<Take["tune"]> {
  const take = new Take();
  for (const [pitch, begin, end] of presses) {
    take.press(pitch, begin);
    take.lift(pitch, end);
  }
  return take.tune(SIXTEENTH, 4, 60);
}

describe("what is played to a metronome", () => {
  it("is rounded to sixteenths", () => {
    expect(taken([67, 0.04, 0.58], [69, 0.63, 1.16]).notes).toEqual([[0, 480, 67], [480, 480, 69]]);
  });

  it("has no rests where notes are only detached", () => {
    expect(taken([67, 0, 0.45], [69, 0.6, 0.7]).notes).toEqual([[0, 480, 67], [480, 120, 69]]);
    expect(taken([67, 0, 0.3], [69, 0.6, 0.7]).notes).toEqual([[0, 240, 67], [480, 120, 69]]);
  });

  it("is one note at a time", () => {
    expect(taken([67, 0, 2], [69, 0.6, 1.2]).notes).toEqual([[0, 480, 67], [480, 480, 69]]);
    expect(taken([67, 0, 0.6], [69, 0.02, 0.6]).notes).toEqual([[0, 480, 69]]);
  });

  it("begins with a pickup if it begins before the downbeat", () => {
    expect(taken([67, -0.6, -0.02], [69, 0, 0.6])).toEqual({ pickup: 4, notes: [[0, 480, 67], [480, 480, 69]] });
    expect(taken([67, -0.3, -0.02], [69, 0, 0.6])).toEqual({ pickup: 4, notes: [[240, 240, 67], [480, 480, 69]] });
  });

  it("ends a key that is still down now", () => {
    const take = new Take();
    take.press(60, 0);
    expect(take.holds).toBe(true);
    expect(take.tune(SIXTEENTH, 4, 1.2).notes).toEqual([[0, 960, 60]]);
  });
});
