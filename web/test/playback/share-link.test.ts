import { describe, expect, it } from "vitest";

import { parameterValues } from "../../src/music/parameter-changes";
import { fromFragment, toFragment, type SharedMusic } from "../../src/playback/share-link";

const shared: SharedMusic = {
  model: "bach-chorales", bundle: "9f0c12ab34cd", seed: 12, bars: 16, piece: 3,
  ...parameterValues(() => null), temperature: 1.2, tempo: 66.5,
  changes: [[1, 5, "temperature", 0.85], [3, 0, "tempo", null], [3, 9, "length", 12]],
  instruments: [[3, 0, 19], [3, 7, null]],
};

describe("a share link", () => {
  it("is read as it was written", () => {
    expect(fromFragment(toFragment(shared))).toEqual(shared);
  });

  it("keeps every change that the server may have made", () => {
    const changes = [[0, 1, "length", 1], [0, 32, "length", 32], [1, 0, "temperature", 0], [999_999, 0, "tempo", 300]] as const;
    expect(fromFragment(toFragment({ ...shared, changes }))?.changes).toEqual(changes);
  });

  it("is readable", () => {
    expect(toFragment(shared)).toBe(
      "#model=bach-chorales&bundle=9f0c12ab34cd&seed=12&bars=16&piece=3&temperature=1.2&tempo=66.5" +
        "&changes=1:5:temperature:0.85,3:0:tempo:-,3:9:length:12&instruments=3:0:19,3:7:-",
    );
  });

  it("survives a URL, with any name", () => {
    for (const model of ["von & mit #1 = 100 %", "Böhm: Präludium", "a+b,c:d/e?f", "\u{1F3B9}"]) {
      const url = new URL(toFragment({ ...shared, model }), "https://radio.example/folder/");
      expect(fromFragment(new URL(url.href).hash)?.model).toBe(model);
    }
  });

  it("is read as it was written, for any seed, settings and changes", () => {
    let state = 1;
    const draw = (below: number): number => (state = (state * 48271) % 2147483647) % below;
    for (let i = 0; i < 300; i++) {
      const any: SharedMusic = {
        ...shared, seed: draw(2147483647) * 4000000, bars: 4 + draw(29), piece: draw(1000),
        temperature: draw(2) ? draw(401) / 100 : null, tempo: draw(2) ? 20 + draw(281) : null,
        changes: Array.from({ length: draw(60) }, () => [draw(50), draw(33), "tempo", draw(3) ? 20 + draw(281) : null]),
        instruments: Array.from({ length: draw(20) }, () => [draw(50), draw(33), draw(3) ? draw(128) : null]),
      };
      expect(fromFragment(toFragment(any))).toEqual(any);
    }
  });

  it.each(["", "#", "#top", "#model=x", "#seed=5", "#model=x&seed=-1", "#model=x&seed=1e3", "#model=x&seed=99999999999999999",
           `#model=x&seed=1&changes=${"1:1:tempo:80,".repeat(5000)}`])("is rejected if it is %.40j", (fragment) => {
    expect(fromFragment(fragment)).toBeNull();
  });

  it("is read without its invalid values", () => {
    const read = fromFragment(
      "#model=x&seed=1&bars=900&temperature=9&tempo=NaN&piece=-4&changes=1:1:volume:3,1:1:tempo:5,x,1:2:tempo:,1:2:tempo:90" +
        "&instruments=0:0:128,0:0:,0:0:12:7,0:1:-",
    );
    expect(read).toMatchObject({ bars: 16, temperature: null, tempo: null, piece: 0 });
    expect(read?.changes).toEqual([[1, 2, "tempo", 90]]);
    expect(read?.instruments).toEqual([[0, 0, 12], [0, 1, null]]);
  });
});
