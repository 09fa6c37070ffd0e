import { describe, expect, it } from "vitest";

import { firstVoices } from "../../src/page/first-voices";
import { toFragment } from "../../src/playback/share-link";
import type { ModelInfo } from "../../src/protocol/messages";

const choir = [{ name: "S", program: 52, drums: false }];
const band = [{ name: "", program: 33, drums: false }, { name: "", program: 0, drums: true }];
const models = [{ name: "a", voices: choir }, { name: "b", voices: band }] as unknown as ModelInfo[];
const music = {
  model: "b", bundle: "0123456789ab", runtime: null, seed: 1, bars: 8, temperature: null, tempo: null, piece: 2, changes: [],
  instruments: [],
};

describe("firstVoices", () => {
  it("are those of the first model", () => {
    expect(firstVoices(models, "")).toBe(choir);
    expect(firstVoices(models, "#model=gone&seed=x")).toBe(choir);
    expect(firstVoices([], "")).toEqual([]);
  });

  it("are those of a share link, with its instrument in place of all but drums", () => {
    expect(firstVoices(models, toFragment(music))).toBe(band);
    const link = toFragment({ ...music, instruments: [[2, 0, 19], [2, 4, 40]] });
    expect(firstVoices(models, link).map((voice) => [voice.program, voice.drums])).toEqual([[19, false], [0, true]]);
  });
});
