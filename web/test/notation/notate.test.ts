import { describe, expect, it } from "vitest";
import { keyOf } from "../../src/music/spelling";
import { UNITS_PER_TICK, type NotatedScore, type PlainBar, type PlainNote } from "../../src/notation/model";
import { notate } from "../../src/notation/notate";
import { signatureAlter, type SettledNames } from "../../src/notation/spelling";
import { barsOf, CHOIR, DRUMS, FLUTE, lines, PIANO, randomNumbers, sounding } from "./plain-music";

function expectBarsAddUp(score: NotatedScore): void {
  for (const bar of score.bars) {
    for (const { symbols } of bar.parts.flatMap((part) => part.voices)) {
      let at = 0;
      for (const symbol of symbols) {
        expect(symbol.onset).toBeCloseTo(at, 3);
        at += symbol.length;
      }
      expect(at).toBeCloseTo(bar.ticks * UNITS_PER_TICK, 3);
    }
  }
}

/** An accidental stands exactly where key and bar do not give the pitch already. */
function expectAccidentals(score: NotatedScore): void {
  for (const bar of score.bars) {
    for (const part of bar.parts) {
      for (const staff of [1, 2]) {
        const now = new Map<string, number>();
        const symbols = part.voices.filter((voice) => voice.staff === staff).flatMap((voice, v) =>
          voice.symbols.map((symbol) => ({ symbol, v })));
        symbols.sort((a, b) => a.symbol.onset - b.symbol.onset || a.v - b.v);
        for (const { spelled, tiedFrom, accidental } of symbols.flatMap(({ symbol }) => symbol.heads)) {
          if (tiedFrom) continue;
          const name = `${spelled.step}${spelled.octave}`;
          const expected = now.get(name) ?? signatureAlter(spelled.step, bar.key.fifths);
          expect(accidental).toBe(spelled.alter !== expected);
          now.set(name, spelled.alter);
        }
      }
    }
  }
}

const asStrings = (notes: readonly PlainNote[]): string[] =>
  notes.map((note) => `${note.voice}:${note.pitch}:${note.tick}:${note.ticks}`).sort();

describe("notate", () => {
  it.each([
    ["sixteenths", 120, [4, 4]], ["eighths", 240, [3, 4]], ["triplets", 160, [4, 4]], ["twelfths of a quarter", 40, [2, 4]],
    ["compound", 240, [6, 8]], ["irregular", 120, [5, 8]], ["quintuplets", 96, [4, 4]],
  ] as const)("writes every sounding tick once: %s", (_, grid, meter) => {
    for (let seed = 0; seed < 6; seed++) {
      const barTicks = (1920 * meter[0]) / meter[1];
      const notes = lines(seed, 4, 4, grid, barTicks);
      const score = notate(barsOf(notes, 4, [...meter]), CHOIR);
      expectBarsAddUp(score);
      expectAccidentals(score);
      expect(sounding(score)).toEqual(asStrings(notes));
    }
  });

  it("writes every note of a keyboard once, on two staves", () => {
    for (let seed = 0; seed < 6; seed++) {
      const notes = lines(seed, 3, 4, 120).map((note) => ({ ...note, voice: 0, pitch: note.pitch - 12 * note.voice }));
      const distinct = notes.filter((note, i) => !notes.some((other, j) =>
        j !== i && other.pitch === note.pitch && other.tick <= note.tick && other.tick + other.ticks >= note.tick));
      const score = notate(barsOf(distinct, 4), [PIANO]);
      expect(score.parts.map((part) => part.staves)).toEqual([2]);
      expectBarsAddUp(score);
      expectAccidentals(score);
      expect(sounding(score)).toEqual(asStrings(distinct));
    }
  });

  it("writes a choir on two staves, stems up and down, with all rests", () => {
    const score = notate(barsOf([{ voice: 0, pitch: 72, tick: 0, ticks: 960 }, { voice: 3, pitch: 48, tick: 0, ticks: 1920 }], 1), CHOIR);
    expect(score.parts.map((part) => [part.isChoir, part.staves])).toEqual([[true, 1], [true, 1]]);
    const [upper, lower] = score.bars[0]?.parts ?? [];
    expect(upper?.clefs[0]?.sign).toBe("G");
    expect(lower?.clefs[0]?.sign).toBe("F");
    expect(upper?.voices.map((voice) => voice.stem)).toEqual(["up", "down"]);
    expect(upper?.voices[0]?.symbols.map((symbol) => [symbol.value, symbol.heads.length])).toEqual([["half", 1], ["half", 0]]);
    expect(upper?.voices[1]?.symbols.map((symbol) => symbol.wholeBar)).toEqual([true]);
  });

  it("writes a tune on one staff, and drums on their own", () => {
    const tune = notate(barsOf(lines(1, 1, 2, 240), 2), [FLUTE]);
    expect(tune.parts.map((part) => part.staves)).toEqual([1]);
    const both = notate(barsOf([{ voice: 1, pitch: 42, tick: 0, ticks: 30 }, { voice: 0, pitch: 72, tick: 0, ticks: 480 }], 1), [FLUTE, DRUMS]);
    expect(both.parts.map((part) => part.isDrums)).toEqual([false, true]);
  });

  it("numbers a pickup 0, and fills the last bar up to it", () => {
    const notes = [{ voice: 0, pitch: 67, tick: 0, ticks: 480 }, { voice: 0, pitch: 72, tick: 480, ticks: 1440 },
                   { voice: 0, pitch: 72, tick: 2400, ticks: 960 }];
    const bars: PlainBar[] = [
      { bar: 0, tick: 0, ticks: 480, meter: [1, 4], notes: notes.slice(0, 1), last: false },
      { bar: 1, tick: 480, ticks: 1920, meter: [4, 4], notes: notes.slice(1, 2), last: false },
      { bar: 2, tick: 2400, ticks: 960, meter: [4, 4], notes: notes.slice(2), last: true },
    ];
    const score = notate(bars, [FLUTE]);
    expect(score.bars.map((bar) => [bar.number, bar.ticks, bar.meter.join("/"), bar.newMeter])).toEqual([
      [0, 480, "4/4", true], [1, 1920, "4/4", false], [2, 1440, "4/4", false],
    ]);
    expectBarsAddUp(score);
  });

  it("spells by key, and keeps the names that it gave", () => {
    const pitches = [68, 70, 72, 73, 75, 77, 79, 80];
    const notes = pitches.map((pitch, i) => ({ voice: 0, pitch, tick: 240 * i, ticks: 240 }));
    expect(keyOf(notes).fifths).toBe(-4);
    const flats = notate(barsOf(notes, 1), [FLUTE]);
    const names = (score: NotatedScore): string[] => score.bars.flatMap((bar) => bar.parts.flatMap((part) =>
      part.voices.flatMap((voice) => voice.symbols.flatMap((symbol) =>
        symbol.heads.map(({ spelled }) => `${spelled.step}${spelled.alter}`)))));
    expect(names(flats)).toEqual(["A-1", "B-1", "C0", "D-1", "E-1", "F0", "G0", "A-1"]);
    expect(names(notate(barsOf(notes, 1), [FLUTE], { fifths: 4, minor: false }))[0]).toBe("G1");
    const settled: SettledNames = new Map();
    notate(barsOf(notes, 1), [FLUTE], { fifths: -4, minor: false }, settled);
    expect(names(notate(barsOf(notes, 1), [FLUTE], { fifths: 4, minor: false }, settled))[0]).toBe("A-1");
  });

  it("beams eighths by half bars, and sixteenths by beats", () => {
    const beamsOf = (ticks: number): string => {
      const notes = Array.from({ length: 1920 / ticks }, (_, i) => ({ voice: 0, pitch: 72 + (i % 3), tick: i * ticks, ticks }));
      const symbols = notate(barsOf(notes, 1), [FLUTE]).bars[0]?.parts[0]?.voices[0]?.symbols ?? [];
      return symbols.map((symbol) => symbol.beams[0]?.[0]).join("");
    };
    expect(beamsOf(240)).toBe("bccebcce");
    expect(beamsOf(120)).toBe("bcce".repeat(4));
    expect(beamsOf(160)).toBe("bce".repeat(4));
  });

  it("writes a triplet on each beat, not one large tuplet", () => {
    const notes = Array.from({ length: 12 }, (_, i) => ({ voice: 0, pitch: 60 + i, tick: i * 160, ticks: 160 }));
    const symbols = notate(barsOf(notes, 1), [FLUTE]).bars[0]?.parts[0]?.voices[0]?.symbols ?? [];
    expect(symbols.map((symbol) => `${symbol.tuplet?.actual ?? ""}${symbol.tuplet?.unit ?? ""}`)).toEqual(Array(12).fill("3eighth"));
  });

  it("never throws, whatever it gets", () => {
    const random = randomNumbers(99);
    const some = (most: number): number => Math.floor(random() * most);
    for (let round = 0; round < 60; round++) {
      const voices = [CHOIR, [PIANO], [FLUTE, DRUMS], [PIANO, PIANO], []][round % 5] ?? [];
      let tick = some(3) * 7;
      const bars = Array.from({ length: some(5) }, (): PlainBar => {
        const ticks = [1920, 1, 7, 481, 960, 20_000][some(6)] ?? 1920;
        const meter = [[4, 4], [1, 128], [13, 16], [255, 1], [3, 2]][some(5)] as [number, number];
        const notes = Array.from({ length: some(8) }, () => ({
          voice: some(6), pitch: some(140) - 5, tick: tick + some(ticks + 50), ticks: [0, -3, 1, 37, 480, 9999, NaN][some(7)] ?? 1,
        }));
        const bar = { tick, ticks, meter, notes };
        tick += ticks;
        return bar;
      });
      const score = notate(bars, voices);
      expect(score.bars.length).toBe(bars.length);
      expectBarsAddUp(score);
    }
  });
});
