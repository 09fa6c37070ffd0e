import { describe, expect, it } from "vitest";

import { addLetter, chooseLength, EMPTY_TUNE, setAlter, type TuneState } from "../../src/tune/entry";
import { barsOf, beams, cursorPlace, entryAt, layOut } from "../../src/tune/staff-layout";

function tuneOf(lengths: readonly number[], start: TuneState = EMPTY_TUNE): TuneState {
  return lengths.reduce((tune, length, i) => addLetter(chooseLength(tune, length), i % 3), start);
}

describe("bars", () => {
  it("end where the meter says, and notes are tied across them", () => {
    const bars = barsOf(tuneOf([8, 4, 8, 4]));
    expect(bars.map((bar) => bar.signs.map((sign) => [sign.entry, sign.length, sign.tie]))).toEqual([
      [[0, 8, false], [1, 4, false], [2, 4, true]],
      [[2, 4, false], [3, 4, false]],
    ]);
  });

  it("leave room for the next note", () => {
    expect(barsOf(tuneOf([16]))).toHaveLength(2);
    expect(barsOf(EMPTY_TUNE)).toHaveLength(1);
  });

  it("begin with a pickup", () => {
    expect(barsOf({ ...tuneOf([4, 16]), pickup: 4 }).map(({ number, length }) => [number, length])).toEqual(
      [[0, 4], [1, 16], [2, 16]],
    );
  });

  it("show an accidental once in a bar, and again in the next one", () => {
    let tune = EMPTY_TUNE;
    for (let i = 0; i < 5; i++) tune = setAlter(addLetter(tune, 3), 1);
    tune = addLetter(tune, 3); // F again, without its sharp
    const shown = barsOf(tune).map((bar) => bar.signs.map((sign) => sign.accidental));
    expect(shown).toEqual([[1, null, null, null], [1, 0]]);
  });
});

describe("the layout", () => {
  const tune = tuneOf(Array.from({ length: 32 }, () => 4));

  it("keeps all signs within the width", () => {
    for (const width of [260, 320, 700, 1100]) {
      const { systems } = layOut(tune, width);
      const signs = systems.flatMap((system) => system.bars.flatMap((bar) => bar.signs));
      expect(signs).toHaveLength(32);
      for (const sign of signs) expect(sign.x).toBeLessThan(width);
      expect(systems.length).toBeGreaterThan(width < 400 ? 3 : 0);
    }
  });

  it("finds each sign under its own place", () => {
    const layout = layOut(tune, 320);
    for (const [number, system] of layout.systems.entries()) {
      for (const sign of system.bars.flatMap((bar) => bar.signs)) expect(entryAt(layout, number, sign.x)).toBe(sign.entry);
    }
  });

  it("finds nothing behind the last sign, where a tap adds a note", () => {
    const layout = layOut(tuneOf([4, 4]), 320);
    expect(entryAt(layout, 0, 300)).toBeNull();
    expect(entryAt(layOut(EMPTY_TUNE, 320), 0, 150)).toBeNull();
  });

  it("has the cursor behind its entry", () => {
    const layout = layOut(tune, 320);
    let [line, x] = [0, 0];
    for (let cursor = 0; cursor <= 32; cursor++) {
      const place = cursorPlace(layout, cursor);
      expect(place.system > line || place.x > x).toBe(true);
      [line, x] = [place.system, place.x];
    }
  });
});

describe("beams", () => {
  it("join eighths and sixteenths within a beat", () => {
    const [bar] = layOut(tuneOf([2, 2, 2, 1, 1, 4, 2, 2]), 900).systems[0]?.bars ?? [];
    const groups = beams(bar ?? { signs: [] }, 0, [4, 4]).map((group) => group.map((sign) => sign.entry));
    expect(groups).toEqual([[0, 1], [2, 3, 4], [6, 7]]);
  });
});
