import { describe, expect, it } from "vitest";
import type { Key, PlainBar, PlainVoice } from "../../src/notation/model";
import { notate } from "../../src/notation/notate";

const CHOIR: PlainVoice[] = ["Soprano", "Alto", "Tenor", "Bass"].map((name) => ({ name, program: 52, drums: false }));
const G_MAJOR: Key = { fifths: 1, minor: false };

/** One chord a beat, each from the soprano to the bass. */
function chordsOf(chords: readonly (readonly number[])[], key: Key = G_MAJOR): string {
  const bars: PlainBar[] = [];
  for (let i = 0; i < chords.length; i += 4) {
    bars.push({
      tick: i * 480, ticks: 1920, meter: [4, 4],
      notes: chords.slice(i, i + 4).flatMap((pitches, beat) =>
        pitches.map((pitch, voice) => ({ voice, pitch, tick: (i + beat) * 480, ticks: 480 }))),
    });
  }
  return notate(bars, CHOIR, key).bars.flatMap((bar) => bar.chords.map((chord) => chord.text)).join(" ");
}

describe("the names of chords", () => {
  it("are those of a musician", () => {
    expect(chordsOf([[71, 67, 62, 55], [74, 69, 60, 54], [72, 69, 64, 57], [71, 67, 62, 43]])).toBe("G D7/F♯ Am G");
    const minor = { fifths: -1, minor: true };
    expect(chordsOf([[74, 69, 65, 50], [70, 67, 64, 49], [74, 69, 65, 50], [74, 70, 67, 46]], minor)).toBe("Dm C♯°7 Dm Gm/B♭");
    expect(chordsOf([[74, 67, 65, 55], [71, 67, 62, 55], [76, 71, 67, 60], [77, 74, 71, 62]])).toBe("G Cmaj7 Bø7/D".replace("Bø7", "B°"));
  });

  it("stand only where the chord changes, and where there is one", () => {
    expect(chordsOf([[71, 67, 62, 55], [71, 67, 62, 43], [74, 71, 67, 55], [72, 61, 56, 55]])).toBe("G");
  });

  it("ignore passing notes", () => {
    const notes = [
      { voice: 0, pitch: 71, tick: 0, ticks: 480 }, { voice: 1, pitch: 67, tick: 0, ticks: 480 },
      { voice: 2, pitch: 62, tick: 0, ticks: 240 }, { voice: 2, pitch: 60, tick: 240, ticks: 240 },
      { voice: 3, pitch: 55, tick: 0, ticks: 240 }, { voice: 3, pitch: 57, tick: 240, ticks: 240 },
    ];
    const score = notate([{ tick: 0, ticks: 1920, meter: [4, 4], notes }], CHOIR, G_MAJOR);
    expect(score.bars[0]?.chords.map((chord) => chord.text)).toEqual(["G"]);
  });

  it("are not made up for a single line", () => {
    const notes = [60, 64, 67, 72].map((pitch, i) => ({ voice: 0, pitch, tick: 480 * i, ticks: 480 }));
    const score = notate([{ tick: 0, ticks: 1920, meter: [4, 4], notes }], [{ name: "Flute", program: 73, drums: false }]);
    expect(score.bars[0]?.chords).toEqual([]);
  });
});
