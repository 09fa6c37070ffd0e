import { describe, expect, it } from "vitest";
import { keyOf } from "../../src/music/spelling";
import type { PlainBar } from "../../src/notation/model";
import { SettledKey } from "../../src/notation/settled-key";
import { plainMusic } from "../../src/notation/from-midi-file";

const SCALE = [0, 2, 4, 5, 7, 9, 11, 12];

function bars(tonics: readonly number[]): PlainBar[] {
  return tonics.map((tonic, i) => ({
    tick: i * 1920, ticks: 1920, meter: [4, 4],
    notes: SCALE.map((step, n) => ({ voice: 0, pitch: tonic + step, tick: i * 1920 + n * 240, ticks: 240 })),
  }));
}

/** The signatures as the bars come one by one. */
function signatures(tonics: readonly number[]): number[] {
  const key = new SettledKey();
  return tonics.map((_, i) => key.hear(keyOf(bars(tonics.slice(0, i + 1)).flatMap((bar) => bar.notes)), i + 1).fifths);
}

describe("the settled key", () => {
  it("is kept while the music goes elsewhere for a bar", () => {
    expect(signatures([60, 60, 67, 60, 60])).toEqual([0, 0, 0, 0, 0]);
  });

  it("follows music that was misjudged at first", () => {
    const found = signatures([60, 62, 62, 62, 62, 62, 62, 62]);
    expect(found[0]).toBe(0);
    expect(found.at(-1)).toBe(2);
  });
});

describe("plain music of a MIDI file", () => {
  it("has a bar for each meter, and a pickup", () => {
    const { bars: found, voices } = plainMusic({
      ticksPerQuarter: 480, tempos: [{ tick: 0, qpm: 80 }], marker: "",
      meters: [{ tick: 0, numerator: 1, denominator: 4 }, { tick: 480, numerator: 3, denominator: 4 }],
      tracks: [{ name: "Drums", program: 0, channel: 9, notes: [{ tick: 480 + 1440, duration: 480, pitch: 40, velocity: 80 }] }],
    });
    expect(found.map((bar) => [bar.tick, bar.ticks, bar.notes.length])).toEqual([[0, 480, 0], [480, 1440, 0], [1920, 1440, 1]]);
    expect(found[0]?.tempos).toEqual([[0, 0, 80]]);
    expect(voices[0]?.drums).toBe(true);
  });
});
