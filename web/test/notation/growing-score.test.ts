import { describe, expect, it } from "vitest";
import { GrowingScore } from "../../src/notation/growing-score";
import { C_MAJOR } from "../../src/music/spelling";
import type { Key, PlainBar, PlainNote, PlainVoice } from "../../src/notation/model";
import { notate } from "../../src/notation/notate";
import { SettledKey } from "../../src/notation/settled-key";
import type { SettledNames } from "../../src/notation/spelling";
import { barsOf, CHOIR, DRUMS, FLUTE, lines, PIANO, sounding } from "./plain-music";

/** The bars as a stream has them: they know which is the last. */
function streamed(notes: readonly PlainNote[], count: number): PlainBar[] {
  return barsOf(notes, count).map((bar, i) => ({ ...bar, bar: i + 1, last: i === count - 1, tempos: [[bar.tick, 0, 80]] }));
}

/** A score to which bars come one by one, and after each the score that shows them. */
function* grown(
  bars: readonly PlainBar[], voices: readonly PlainVoice[], names?: SettledNames, key = new SettledKey(),
): Generator<GrowingScore> {
  let score = new GrowingScore(voices, key, names);
  for (const i of bars.keys()) {
    const known = bars.slice(0, i + 1);
    if (score.update(known) === "stale") {
      score = score.successor();
      score.update(known);
    }
    yield score;
  }
}

/** The key of music that has none. */
class FixedKey extends SettledKey {
  override hear(): Key {
    return C_MAJOR;
  }
}

function last<T>(values: Iterable<T>): T {
  const found = [...values].at(-1);
  if (found === undefined) throw new Error("there is nothing");
  return found;
}

/** Notes of one keyboard: two hands, held over bar lines, without two at once of one pitch. */
function keyboard(seed: number, bars: number): PlainNote[] {
  const notes = lines(seed, 3, bars, 120).map((note) => ({ ...note, voice: 0, pitch: note.pitch - 12 * note.voice }));
  return notes.filter((note, i) => !notes.some((other, j) =>
    j !== i && other.pitch === note.pitch && other.tick <= note.tick && other.tick + other.ticks >= note.tick));
}

const isRenewed = (score: GrowingScore, before: GrowingScore | undefined): boolean => score !== before;
const asStrings = (notes: readonly PlainNote[]): string[] =>
  notes.map((note) => `${note.voice}:${note.pitch}:${note.tick}:${note.ticks}`).sort();

describe("a growing score", () => {
  it("is the score of the whole, for a choir", () => {
    for (let seed = 0; seed < 6; seed++) {
      const bars = streamed(lines(seed, 4, 12, 120), 12);
      const names: SettledNames = new Map();
      const score = last(grown(bars, CHOIR, names));
      expect(score.score).toEqual(notate(bars, CHOIR, score.key, score.settledNames));
    }
  });

  it.each([
    ["a keyboard", [PIANO], (seed: number) => keyboard(seed, 16)],
    ["a flute, a keyboard and drums", [FLUTE, PIANO, DRUMS], (seed: number) => [
      ...lines(seed, 1, 16, 120), ...keyboard(seed + 50, 16).map((note) => ({ ...note, voice: 1 })),
      ...Array.from({ length: 64 }, (_, i) => ({ voice: 2, pitch: 38 + (i % 3), tick: i * 480, ticks: 480 })),
    ]],
  ] as const)("writes every sounding tick once, with its ties, when each bar has come: %s", (_, voices, notesOf) => {
    for (let seed = 0; seed < 6; seed++) {
      const notes = notesOf(seed);
      const bars = streamed(notes, 16);
      const score = last(grown(bars, voices)).score;
      expect(score.bars).toHaveLength(16);
      const ofPitches = (found: string[]): string[] => found.filter((note) => !note.startsWith("2:")); // a drum has a place, no pitch
      expect(ofPitches(sounding(score))).toEqual(ofPitches(asStrings(notes)));
    }
  });

  it("notates as many bars for a new bar at its beginning as at its end, and leaves the others as they are", () => {
    for (const [voices, notes] of [[CHOIR, lines(3, 4, 220, 120)], [[PIANO], keyboard(3, 220)]] as const) {
      const bars = streamed(notes, 220);
      const costs: number[] = [];
      const replaced: number[] = [];
      let before: { score: GrowingScore; count: number; bars: readonly unknown[] } | undefined;
      for (const score of grown(bars, voices, new Map(), new FixedKey())) {
        if (before && !isRenewed(score, before.score)) {
          costs.push(score.count - before.count);
          replaced.push(before.bars.filter((bar, i) => bar !== score.score.bars[i]).length);
        } else {
          costs.push(NaN);
        }
        before = { score, count: score.count, bars: [...score.score.bars] };
      }
      expect(costs[5]).toBe(2);
      expect(costs.slice(200).every((cost) => cost === 2)).toBe(true);
      expect(Math.max(...replaced)).toBeLessThanOrEqual(1);
    }
  });

  it("takes bars some at a time", () => {
    const bars = streamed(lines(1, 4, 20, 120), 20);
    const score = new GrowingScore(CHOIR);
    const states = Array.from({ length: 4 }, () => [score.update(bars, 6), score.score.bars.length]);
    expect(states).toEqual([["more", 6], ["more", 12], ["more", 18], ["done", 20]]);
    expect(sounding(score.score)).toEqual(sounding(notate(bars, CHOIR)));
  });

  it("notates bars that are replaced, and a note before them whose length changed", () => {
    const bars = streamed(lines(1, 4, 12, 120), 12);
    const score = new GrowingScore(CHOIR);
    score.update(bars);
    const count = score.count;
    const kept = score.score.bars.slice(0, 7);
    const other = streamed(lines(1, 4, 8, 120), 8).concat(streamed(lines(2, 4, 12, 120), 12).slice(8));
    const now = [...bars.slice(0, 8), ...other.slice(8)];
    const held = now[7]?.notes.findLast((note) => note.tick + note.ticks >= 8 * 1920);
    if (held) (held as { ticks: number }).ticks = 8 * 1920 - held.tick;
    const status = score.update(now);
    if (status === "done") {
      expect(score.count - count).toBeLessThanOrEqual(6);
      expect(score.score.bars.slice(0, 6)).toEqual(kept.slice(0, 6));
      expect(score.score.bars).toHaveLength(12);
    }
    expect(status).toBe("done");
  });

  it("asks to be notated anew when a voice enters, a second line begins, or the key changes", () => {
    const flute = lines(0, 1, 8, 240);
    const entering = streamed([...flute, { voice: 1, pitch: 60, tick: 6 * 1920, ticks: 1920 }], 8);
    const score = new GrowingScore([FLUTE, PIANO]);
    expect(score.update(entering.slice(0, 6))).toBe("done");
    expect(score.update(entering)).toBe("stale");
    expect(score.score.bars).toHaveLength(6);
    const successor = score.successor();
    expect(successor.update(entering)).toBe("done");
    expect(successor.score.parts).toHaveLength(2);
  });
});
