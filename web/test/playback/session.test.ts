import { describe, expect, it } from "vitest";

import { parameterValues } from "../../src/music/parameter-changes";
import { fromFragment, toFragment } from "../../src/playback/share-link";
import { Session, type Settings } from "../../src/playback/session";
import { streamMessage } from "../sample-messages";

const settings: Settings = {
  station: false, model: "bach", runtime: null, seed: null, ...parameterValues(() => null), tempo: 90, program: null,
};

describe("Session", () => {
  it("requests what the listener chose, and leaves the rest to the server", () => {
    expect(new Session(settings).request()).toEqual({ type: "start", model: "bach", tempo: 90 });
    expect(new Session({ ...settings, station: true }).request()).toEqual({ type: "join" });
  });

  it("requests the same stream again where it was interrupted", () => {
    const session = new Session(settings);
    session.streamStarted(streamMessage({ seed: 99, tempo: 90 }));
    session.addChange([0, 5, "temperature", 1.2]);
    session.addChange([2, 3, "temperature", 0.7]);
    session.resumeAt = { piece: 3, bar: 4 };
    expect(session.request()).toEqual({
      type: "start", model: "bach", seed: 99, bars: 16, tempo: 90, piece: 3, bar: 4,
      changes: [[2, 3, "temperature", 0.7]],
    });
  });

  it("makes a link with which another session requests the same music", () => {
    const session = new Session({ ...settings, program: 19 });
    session.streamStarted(streamMessage({ seed: 99, temperature: 0.8 }));
    session.addChange([1, 5, "tempo", 70]);
    session.setProgram(6, 1, 9);
    const link = session.share(1);
    const read = link && fromFragment(toFragment(link));
    if (!read) throw new Error("the link could not be read");
    const other = Session.fromLink(read, { ...settings, program: 3, tempo: 200 });
    expect(other.request()).toEqual({
      type: "start", model: "bach", seed: 99, bars: 16, temperature: 0.8, piece: 1, changes: [[1, 5, "tempo", 70]],
    });
    for (const bar of [0, 1, 8, 9, 16]) expect(other.programAt(1, bar)).toBe(session.programAt(1, bar));
    expect([session.programAt(1, 8), session.programAt(1, 9), session.programAt(0, 1)]).toEqual([19, 6, 19]);
    expect(other.share(1)?.changes).toEqual(link.changes);
  });

  it("lets the listener's choice of instrument override that of a link", () => {
    const session = new Session(settings);
    session.instruments = [[0, 4, 10], [2, 1, 11]];
    session.setProgram(60, 1, 3);
    expect([session.programAt(0, 5), session.programAt(1, 3), session.programAt(9, 9)]).toEqual([10, 60, 60]);
    session.setProgram(null, 2, 1);
    expect(session.programAt(2, 1)).toBeNull();
  });

  it("applies a change made while stopped from where the music continues", () => {
    const session = new Session(settings);
    session.streamStarted(streamMessage());
    session.resumeAt = { piece: 4, bar: 7 };
    session.changeWhileStopped("tempo", 50);
    session.changeWhileStopped("tempo", 60);
    expect(session.changes).toEqual([[4, 7, "tempo", 60]]);
    expect(session.parameterAt("tempo", 4, 6)).toBeNull();
    expect(session.parameterAt("tempo", 4, 7)).toBe(60);
  });
});
