import { describe, expect, it } from "vitest";

import { Timeline } from "../../src/music/timeline";
import { barMessage, heldNote, pieceMessage, wireNote } from "../sample-messages";

function filled(): Timeline {
  const timeline = new Timeline();
  timeline.addPiece(pieceMessage(0));
  for (const number of [1, 2, 3]) timeline.addBar(barMessage(number), 100);
  return timeline;
}

const numbers = (timeline: Timeline): string[] => timeline.bars.map((b) => `${b.piece}.${b.bar}`);

describe("Timeline", () => {
  it("gives bars and notes their audio times", () => {
    const timeline = filled();
    expect(timeline.bars.map((b) => b.time)).toEqual([100, 103, 106]);
    expect(timeline.bars[1]?.notes[0]?.time).toBe(103);
    expect(timeline.end).toBe(109);
    expect(timeline.barAt(104)?.bar).toBe(2);
    expect(timeline.barAt(99)).toBeUndefined();
  });

  it("replaces a bar that is sent again, and removes everything after it", () => {
    const timeline = filled();
    timeline.addBar(barMessage(4, { last: true }), 100);
    timeline.addEnd({ type: "end", piece: 0, at: 12, next: 13.5 }, 100);
    expect(timeline.end).toBe(113.5);
    timeline.addPiece(pieceMessage(1));
    timeline.addBar(barMessage(1, { piece: 1, at: 13.5 }), 100);
    expect(numbers(timeline)).toEqual(["0.1", "0.2", "0.3", "0.4", "1.1"]);
    const replaced = timeline.addBar(barMessage(3, { notes: [wireNote({ pitch: 50, at: 6, tick: 3840 })] }), 100);
    expect(replaced.map((b) => b.bar)).toEqual([3, 4, 1]);
    expect(numbers(timeline)).toEqual(["0.1", "0.2", "0.3"]);
    expect(timeline.bars[2]?.notes[0]?.pitch).toBe(50);
    expect(timeline.end).toBe(109);
    expect(timeline.pieces.has(1)).toBe(false);
  });

  it("updates the end of held notes", () => {
    const timeline = filled();
    timeline.addBar(barMessage(4, { held: [heldNote({ tick: 3840, at: 6, ticks: 2400, seconds: 3.9 })] }), 100);
    expect(timeline.bars[2]?.notes[0]).toMatchObject({ ticks: 2400, seconds: 3.9 });
    expect(timeline.bars[3]?.notes).toHaveLength(1);
  });

  it("begins held notes only for a listener who joins", () => {
    const message = barMessage(5, { held: [heldNote({ voice: 1, pitch: 48, tick: 7200, at: 11.25, ticks: 960, seconds: 1.5 })] });
    const joined = new Timeline();
    joined.addBar(message, 100, true);
    expect(joined.bars[0]?.notes).toContainEqual(
      expect.objectContaining({ voice: 1, pitch: 48, tick: 7680, ticks: 480, time: 112, seconds: 0.75 }),
    );
    const before = new Timeline();
    before.addBar(message, 100);
    expect(before.bars[0]?.notes).toHaveLength(1);
  });

  it("finds the notes that sound in a time span, and prunes old bars", () => {
    const timeline = filled();
    expect([...timeline.notesBetween(103.5, 106)].map(({ note: n }) => n.time)).toEqual([103]);
    expect([...timeline.notesBetween(103.8, 106)]).toEqual([]);
    timeline.addPiece(pieceMessage(1));
    timeline.addBar(barMessage(1, { piece: 1, at: 20 }), 100);
    timeline.prune(1, 0);
    expect(timeline.bars).toHaveLength(4);
    timeline.prune(1, 200);
    expect(numbers(timeline)).toEqual(["1.1"]);
    expect([...timeline.pieces.keys()]).toEqual([1]);
  });
});
