import { describe, expect, it } from "vitest";

import { Timeline } from "../../src/music/timeline";
import { messagesOf, type Music } from "../../src/tune/music";
import { entryAtTick, messageOf, musicOfTune, stateOf } from "../../src/tune/tune-of";
import { EXAMPLE } from "../../src/tune/example";

const MUSIC: Music = {
  voices: [{ name: "A", program: 52, drums: false }],
  notes: [[0, 67, 0, 480], [0, 69, 480, 1920], [0, 71, 2400, 240]],
  meter: [4, 4], pickup: 480, tempo: 120,
};

describe("music as bars", () => {
  it("has all notes, with their times", () => {
    const timeline = new Timeline();
    const { piece, bars, end } = messagesOf(MUSIC);
    timeline.addPiece(piece);
    for (const bar of bars) timeline.addBar(bar, 100);
    timeline.addEnd(end, 100);
    expect(bars.map(({ bar, tick, ticks, last }) => [bar, tick, ticks, last])).toEqual(
      [[0, 0, 480, false], [1, 480, 1920, false], [2, 2400, 1920, true]],
    );
    expect(timeline.bars.flatMap((bar) => bar.notes.map((note) => [note.time, note.seconds]))).toEqual(
      [[100, 0.5], [100.5, 2], [102.5, 0.25]],
    );
    expect(end.at).toBe(2.75);
  });
});

describe("the tune as a message", () => {
  it("comes back as it was", () => {
    const state = stateOf(EXAMPLE);
    expect(messageOf(state)).toMatchObject(EXAMPLE);
    expect(musicOfTune(state).notes).toHaveLength(EXAMPLE.notes.length);
  });

  it("knows what sounds", () => {
    const state = stateOf(EXAMPLE);
    expect([0, 479, 480, 31 * 480].map((tick) => entryAtTick(state, tick))).toEqual([0, 0, 1, 31]);
    expect(entryAtTick(state, 33 * 480)).toBe(-1);
  });
});
