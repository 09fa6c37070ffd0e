import { describe, expect, it } from "vitest";

import { parameterValues } from "../../src/music/parameter-changes";
import { DamagedLink, fromFragment, toFragment, type SharedMusic } from "../../src/playback/share-link";

const shared: SharedMusic = {
  model: "bach-chorales", bundle: "9f0c12ab34cd", runtime: "web", seed: 12, bars: 16, piece: 3,
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
      "#check=2m2me1&model=bach-chorales&bundle=9f0c12ab34cd&runtime=web&seed=12&bars=16&piece=3&temperature=1.2&tempo=66.5" +
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

  it.each(["", "#", "#top", "#what=1"])("is none if it is %j", (fragment) => {
    expect(fromFragment(fragment)).toBeNull();
  });

  it.each([
    ["#model=x", "its “seed” is missing"],
    ["#seed=5", "its “model” is missing"],
    ["#model=&seed=5", "its “model” is damaged"],
    ["#model=x&seed=-1", "its “seed” is damaged"],
    ["#model=x&seed=1e3", "its “seed” is damaged"],
    ["#model=x&seed=99999999999999999", "its “seed” is damaged"],
    ["#model=x&seed=1&bundle=zz", "its “bundle” is damaged"],
    ["#model=x&seed=1&bars=900", "its “bars” is damaged"],
    ["#model=x&seed=1&temperature=9", "its “temperature” is damaged"],
    ["#model=x&seed=1&tempo=NaN", "its “tempo” is damaged"],
    ["#model=x&seed=1&tempo=", "its “tempo” is damaged"],
    ["#model=x&seed=1&piece=-4", "its “piece” is damaged"],
    ["#model=x&seed=1&changes=1:2:tempo:90,1:1:volume:3", "its “changes” is damaged"],
    ["#model=x&seed=1&changes=1:1:tempo:5", "its “changes” is damaged"],
    ["#model=x&seed=1&changes=1:2:tempo:", "its “changes” is damaged"],
    ["#model=x&seed=1&changes=1:2:tempo:90:1", "its “changes” is damaged"],
    ["#model=x&seed=1&changes=x", "its “changes” is damaged"],
    [`#model=x&seed=1&changes=${"1:1:tempo:80,".repeat(200)}1:1:tempo:80`, "its “changes” is damaged"],
    ["#model=x&seed=1&instruments=0:0:128", "its “instruments” is damaged"],
    ["#model=x&seed=1&instruments=0:0:", "its “instruments” is damaged"],
    ["#model=x&seed=1&instruments=0:0:12:7", "its “instruments” is damaged"],
    ["#model=x&seed=1&seed=2", "it has two values for “seed”"],
    ["#model=x&seed=1&key=d", "this page does not know its “key”"],
    [`#model=x&seed=1&changes=${"1:1:tempo:80,".repeat(5000)}`, "it is too long"],
  ])("is damaged if it is %.60j", (fragment, reason) => {
    expect(() => fromFragment(fragment)).toThrow(new DamagedLink(reason));
  });

  it("is damaged wherever it is cut off, and whatever digit is changed", () => {
    const link = toFragment(shared);
    for (let length = "#check=".length; length < link.length; length++) {
      expect(() => fromFragment(link.slice(0, length))).toThrow(DamagedLink);
    }
    for (let i = 0; i < link.length; i++) {
      if (!/\d/.test(link.charAt(i))) continue;
      const changed = link.slice(0, i) + String((Number(link.charAt(i)) + 1) % 10) + link.slice(i + 1);
      expect(() => fromFragment(changed)).toThrow(DamagedLink);
    }
  });

  it("may be encoded once more on its way", () => {
    const link = toFragment({ ...shared, model: "von & mit #1 = 100 %" });
    expect(fromFragment(link.replaceAll(":", "%3A").replaceAll("%20", "+"))).toEqual(fromFragment(link));
  });
});
