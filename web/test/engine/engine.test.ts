import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

import { Engine, readAbout } from "../../src/engine/model";
import { isBuilt, tinyEngine, tinyModel } from "./tiny-engine";

const symbols = JSON.parse(readFileSync(new URL("symbols.json", import.meta.url), "utf8")) as number[][];

describe.skipIf(!isBuilt)("the engine", () => {
  it("draws the symbols of the integer reference", async () => {
    const engine = await tinyEngine();
    engine.begin(7);
    const drawn = symbols.map(() => {
      engine.compose(1);
      return engine.step;
    });
    expect(drawn).toEqual(symbols);
  });

  it("returns to a snapshot, and draws the same again", async () => {
    const engine = await tinyEngine();
    engine.begin(1);
    const snapshot = engine.snapshot();
    const draw = (): (readonly number[])[] => Array.from({ length: 40 }, () => (engine.compose(1.5), engine.step));
    const first = draw();
    engine.restore(snapshot);
    expect(draw()).toEqual(first);
    engine.restore(snapshot, true);
    expect(draw()).not.toEqual(first);
  });

  it("tells the probabilities of a step's symbols", async () => {
    const engine = await tinyEngine();
    engine.begin(2);
    engine.compose(1);
    for (const [i, [symbol, probability, others]] of engine.choices().entries()) {
      expect(symbol).toBe(engine.about.fields[i]?.symbols[engine.step[i] ?? -1]);
      expect(probability).toBeGreaterThan(0);
      expect(others.length).toBeLessThanOrEqual(3);
      expect(probability + others.reduce((sum, other) => sum + other[1], 0)).toBeLessThanOrEqual(1.001);
      expect(others.map((other) => other[1])).toEqual(others.map((other) => other[1]).sort((a, b) => b - a));
    }
  });

  it("refuses a damaged model", async () => {
    const code = new Uint8Array(readFileSync(new URL("../../../src/playbach/export/web/built/engine-chorale.wasm", import.meta.url)));
    const damaged = tinyModel.slice(0, tinyModel.length - 500);
    await expect(Engine.create(code, damaged)).rejects.toThrow("the model file is damaged");
    expect(() => readAbout(tinyModel.slice(4))).toThrow("the model file is damaged");
  });
});
