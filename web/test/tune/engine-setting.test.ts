import { describe, expect, it } from "vitest";

import type { Engine } from "../../src/engine/model";
import type { Setting, Tune } from "../../src/protocol/messages";
import { CannotSet, composeSetting, rangeOf, type TuneVoice } from "../../src/tune/engine-setting";
import { isBuilt, tinyEngine } from "../engine/tiny-engine";

const LINE = [67, 69, 71, 72, 71, 69, 67, 66, 64, 66, 67, 69, 67, 66, 64, 62];

function tune(engine: Engine, pitches = LINE): Tune {
  const { meter, pickup } = engine.about.headers[0] ?? { meter: [4, 4] as const, pickup: 0 };
  return { notes: pitches.map((pitch, i) => [i * 480, 480, pitch] as const), meter, pickup, fifths: 1 };
}

function compose(engine: Engine, given: Tune, seed = 1, voice: TuneVoice = "soprano"): Setting {
  const work = composeSetting(engine, given, voice, { seed, temperature: null, rules: true, drafts: 4 });
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    expect(value).toBeGreaterThan(0);
  }
}

describe.skipIf(!isBuilt)("a setting by the engine in the page", () => {
  it("has the tune and three other voices, one note at a time, to the end", async () => {
    const engine = await tinyEngine();
    const setting = compose(engine, tune(engine));
    const of = (voice: number): Setting["notes"] => setting.notes.filter((note) => note[0] === voice);
    expect(of(0)).toEqual(LINE.map((pitch, i) => [0, pitch, i * 480, 480]));
    for (const voice of [1, 2, 3]) {
      const notes = of(voice);
      expect(notes.length).toBeGreaterThan(4);
      for (const [i, [, , tick, ticks]] of notes.entries()) {
        expect(ticks).toBeGreaterThan(0);
        expect(tick + ticks).toBeLessThanOrEqual(notes[i + 1]?.[2] ?? LINE.length * 480);
      }
      expect(notes.at(-1)?.[2]).toBeGreaterThan((LINE.length - 4) * 480);
    }
  });

  it("is the same for the same seed, and another for another", async () => {
    const engine = await tinyEngine();
    const first = compose(engine, tune(engine), 5);
    expect(compose(engine, tune(engine), 5)).toEqual(first);
    expect(compose(engine, tune(engine), 6).notes).not.toEqual(first.notes);
  });

  it("takes any voice, and moves it into its range", async () => {
    const engine = await tinyEngine();
    engine.beginWith(1, 0, 4);
    const [low] = rangeOf(engine, "bass");
    const setting = compose(engine, tune(engine, [0, 2, 4, 5, 4, 2, 0].map((i) => low + 2 + i + 24)), 1, "bass");
    expect(setting.moved).toBe(-24);
    expect(setting.remarks[0]).toContain("bass");
    expect(setting.notes.filter((note) => note[0] === 3)).toHaveLength(7);
  });

  it("says what it cannot set", async () => {
    const engine = await tinyEngine();
    const given = tune(engine);
    expect(() => compose(engine, { ...given, meter: [5, 4] })).toThrow(CannotSet);
    expect(() => compose(engine, { ...given, notes: [[0, 160, 67]] })).toThrow("sixteenths");
    expect(() => compose(engine, tune(engine, [40, 90]))).toThrow("spans more than");
  });
});
