import { describe, expect, it } from "vitest";

import { recordingUntil } from "../../src/playback/recording";
import { Session } from "../../src/playback/session";
import { Timeline } from "../../src/music/timeline";
import { barMessage, pieceMessage, streamMessage, wireNote } from "../sample-messages";

function playing(): { timeline: Timeline; session: Session } {
  const [timeline, session] = [new Timeline(), new Session({} as never)];
  session.streamStarted(streamMessage({ temperature: 0.9 }));
  timeline.addPiece(pieceMessage(0));
  for (const number of [1, 2, 3, 4]) timeline.addBar(barMessage(number), 100);
  return { timeline, session };
}

describe("recordingUntil", () => {
  it("holds what was heard and nothing later", () => {
    const { timeline, session } = playing();
    const recording = recordingUntil(timeline, session, 107);
    expect(recording?.name).toBe("bach-12.mid");
    expect(recording?.file.tracks.map((track) => track.notes.length)).toEqual([3, 0]);
    expect(recording?.file.tracks[0]?.notes.map((n) => n.tick)).toEqual([0, 1920, 3840]);
    expect(recordingUntil(timeline, session, 99)).toBeNull();
  });

  it("begins with the first bar that was heard", () => {
    const { timeline, session } = playing();
    timeline.bars.splice(0, 2);
    const file = recordingUntil(timeline, session, 111)?.file;
    expect(file?.tracks[0]?.notes.map((n) => n.tick)).toEqual([0, 1920]);
    expect([file?.tempos, file?.meters]).toEqual([[{ tick: 0, qpm: 80 }], [{ tick: 0, numerator: 4, denominator: 4 }]]);
  });

  it("holds tempos and meters where they change, and the instrument that was heard last", () => {
    const { timeline, session } = playing();
    const notes = [wireNote({ at: 9, tick: 5760 })];
    timeline.addBar(barMessage(4, { meter: [3, 4], tempos: [[5760, 9, 80], [6240, 9.75, 60]], notes }), 100);
    session.setProgram(19, 0, 2);
    const file = recordingUntil(timeline, session, 120)?.file;
    expect(file?.tempos).toEqual([{ tick: 0, qpm: 80 }, { tick: 6240, qpm: 60 }]);
    expect(file?.meters.map((meter) => [meter.tick, meter.numerator])).toEqual([[0, 4], [5760, 3]]);
    expect(file?.tracks.map((track) => track.program)).toEqual([19, 19]);
    session.setProgram(null, 0, 4);
    expect(recordingUntil(timeline, session, 120)?.file.tracks.map((track) => track.program)).toEqual([52, 53]);
  });

  it("holds the piece before if the current one has hardly begun", () => {
    const { timeline, session } = playing();
    timeline.addPiece(pieceMessage(1));
    timeline.addBar(barMessage(1, { piece: 1, at: 13.5 }), 100);
    expect(recordingUntil(timeline, session, 114)?.name).toBe("bach-12.mid");
    timeline.addBar(barMessage(2, { piece: 1, at: 16.5, notes: [] }), 100);
    expect(recordingUntil(timeline, session, 117)?.name).toBe("bach-13.mid");
  });

  function provenance(timeline: Timeline, session: Session): unknown {
    const marker = recordingUntil(timeline, session, 110)?.file.marker ?? "";
    return JSON.parse(marker.replace(/^playbach /, ""));
  }

  it("records how the piece can be made again", () => {
    const { timeline, session } = playing();
    expect(provenance(timeline, session)).toEqual({
      model: "bach", bundle: "9f0c".repeat(16), runtime: "onnx", seed: 12, options: { bars: 16, temperature: 0.9 },
      changes: [],
    });
  });

  it("records the changes of each bar, and those of earlier pieces that last", () => {
    const { timeline, session } = playing();
    timeline.addPiece(pieceMessage(1));
    for (const number of [1, 2]) timeline.addBar(barMessage(number, { piece: 1, at: 3 * number }), 100);
    session.setProgram(73, 0, 0);
    session.setProgram(19, 1, 2);
    session.addChange([0, 2, "tempo", 90]);
    session.addChange([0, 3, "length", 5]);
    session.addChange([1, 2, "temperature", null]);
    session.addChange([1, 4, "tempo", null]);
    session.addChange([1, 4, "length", 6]);
    session.addChange([2, 1, "tempo", 60]);
    expect(provenance(timeline, session)).toEqual({
      model: "bach", bundle: "9f0c".repeat(16), runtime: "onnx", seed: 13,
      options: { bars: 16, temperature: 0.9, tempo: 90 },
      changes: [[2, "temperature", null], [4, "tempo", null], [4, "length", 6]],
      program: 19,
      instruments: [[2, 19]],
    });
  });
});
