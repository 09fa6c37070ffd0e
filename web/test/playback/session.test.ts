import { describe, expect, it } from "vitest";

import { fromFragment, toFragment } from "../../src/playback/share-link";
import { Session, type Wishes } from "../../src/playback/session";
import { stream } from "../sample-messages";

const wishes: Wishes = {
  station: false, model: "bach", runtime: null, seed: null, temperature: null, tempo: 90, program: null,
};

describe("Session", () => {
  it("asks for what is wished, and leaves the rest to the server", () => {
    expect(new Session(wishes).asking()).toEqual({ type: "start", model: "bach", tempo: 90 });
    expect(new Session({ ...wishes, station: true }).asking()).toEqual({ type: "join" });
  });

  it("asks for the very same stream again where it broke off", () => {
    const session = new Session(wishes);
    session.begun(stream({ seed: 99, tempo: 90 }));
    session.record([0, 5, "temperature", 1.2]);
    session.record([2, 3, "temperature", 0.7]);
    session.resume = { piece: 3, bar: 4 };
    expect(session.asking()).toEqual({
      type: "start", model: "bach", seed: 99, bars: 16, tempo: 90, piece: 3, bar: 4,
      changes: [[2, 3, "temperature", 0.7]],
    });
  });

  it("shares what another one then asks for", () => {
    const session = new Session({ ...wishes, program: 19 });
    session.begun(stream({ seed: 99, temperature: 0.8 }));
    session.record([1, 5, "tempo", 70]);
    session.setProgram(6, 1, 9);
    const link = session.shared(1);
    const other = Session.of(fromFragment(toFragment(link!))!, { ...wishes, program: 3, tempo: 200 });
    expect(other.asking()).toEqual({
      type: "start", model: "bach", seed: 99, bars: 16, temperature: 0.8, piece: 1, changes: [[1, 5, "tempo", 70]],
    });
    for (const bar of [0, 1, 8, 9, 16]) expect(other.programAt(1, bar)).toBe(session.programAt(1, bar));
    expect([session.programAt(1, 8), session.programAt(1, 9), session.programAt(0, 1)]).toEqual([19, 6, 19]);
    expect(other.shared(1)?.changes).toEqual(link?.changes);
  });

  it("gives the listener's own choice of instrument the last word", () => {
    const session = new Session(wishes);
    session.instruments = [[0, 4, 10], [2, 1, 11]];
    session.setProgram(60, 1, 3);
    expect([session.programAt(0, 5), session.programAt(1, 3), session.programAt(9, 9)]).toEqual([10, 60, 60]);
    session.setProgram(null, 2, 1);
    expect(session.programAt(2, 1)).toBeNull();
  });

  it("holds what is turned at rest from where the music goes on", () => {
    const session = new Session(wishes);
    session.begun(stream());
    session.resume = { piece: 4, bar: 7 };
    session.turnedAtRest("tempo", 50);
    session.turnedAtRest("tempo", 60);
    expect(session.changes).toEqual([[4, 7, "tempo", 60]]);
    expect(session.knob("tempo", 4, 6)).toBeNull();
    expect(session.knob("tempo", 4, 7)).toBe(60);
  });
});
