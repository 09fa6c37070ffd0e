import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it, vi } from "vitest";

import { Performer } from "../../src/engine/performance";
import { Programme } from "../../src/engine/programme";
import { LocalServer, type Continuation } from "../../src/engine/server";
import type { Engine } from "../../src/engine/model";
import { parseMessage } from "../../src/protocol/parse";
import type { BarMessage, ChoiceRow, ClientMessage, ServerMessage } from "../../src/protocol/messages";
import { isBuilt, tinyEngine } from "./tiny-engine";
import { perform, splitIntoBars } from "./whole-piece";

/** A clock that stands still until it is told to go on. */
class FakeClock {
  private time = 0;
  private timers: { readonly at: number; readonly call: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(seconds: number, call: () => void): () => void {
    const timer = { at: this.time + seconds, call };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((other) => other !== timer);
    };
  }

  advance(seconds: number): void {
    const end = this.time + seconds;
    for (;;) {
      const next = this.timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.time = Math.max(this.time, next.at);
      this.timers = this.timers.filter((other) => other !== next);
      next.call();
    }
    this.time = end;
  }
}

class Listener {
  readonly clock = new FakeClock();
  readonly messages: ServerMessage[] = [];
  private readonly server: LocalServer;

  constructor(engine: Engine, start: Omit<ClientMessage & { type: "start" }, "type">, continuation?: Continuation) {
    this.server = new LocalServer(engine, this.clock, (message) => this.messages.push(message));
    this.server.receive({ type: "start", ...start }, continuation);
  }

  send(message: ClientMessage): void {
    this.server.receive(message);
  }

  /** The bars that are heard: the last version of each. */
  get bars(): BarMessage[] {
    const heard: BarMessage[] = [];
    for (const message of this.messages) {
      if (message.type !== "bar") continue;
      const from = heard.findIndex((bar) => bar.piece > message.piece || (bar.piece === message.piece && bar.bar >= message.bar));
      if (from >= 0) heard.splice(from);
      heard.push(message);
    }
    return heard;
  }

  notes(): unknown[] {
    return this.bars.map(({ piece, bar, at, notes, held }) => [piece, bar, at, notes, held]);
  }
}

/** A message without what depends on the clock, and with probabilities as they are shown. */
function comparable(message: ServerMessage): unknown {
  return JSON.parse(JSON.stringify({ ...message, now: 0, bundle: "", model: "" }), (key, value: unknown) => (
    key === "chosen" ? (value as ChoiceRow[]).map(([symbol, probability]) => [symbol, probability.toFixed(2)]) : value
  ));
}

describe.skipIf(!isBuilt)("the server in the page", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await tinyEngine();
  });

  it("sends messages of the protocol, piece after piece", () => {
    const listener = new Listener(engine, { seed: 3, bars: 4 });
    listener.clock.advance(60);
    for (const message of listener.messages) expect(parseMessage(JSON.stringify(message)).type).toBe(message.type);
    expect(listener.messages[0]).toMatchObject({ type: "stream", kind: "own", seed: 3, bars: 4, runtime: "web" });
    const pieces = listener.messages.filter((message) => message.type === "piece");
    expect(pieces.map((piece) => piece.seed)).toEqual(pieces.map((_, i) => 3 + i));
    expect(pieces.length).toBeGreaterThan(2);
    for (const piece of pieces.slice(0, -1)) {
      const bars = listener.bars.filter((bar) => bar.piece === piece.piece);
      expect(bars.at(-1)).toMatchObject({ last: true, bar: 4 });
      expect(bars.flatMap((bar) => bar.notes).length).toBeGreaterThan(4);
    }
  });

  it("sends the messages that the package makes with the same numbers", () => {
    const made = JSON.parse(readFileSync(new URL("opening.json", import.meta.url), "utf8")) as ServerMessage[];
    const listener = new Listener(engine, { seed: 7 });
    listener.clock.advance(90);
    const sent = listener.messages.filter((message) => !("piece" in message) || message.piece === 0);
    expect(sent.map(comparable)).toEqual(made.map(comparable));
  });

  it("performs each event once, as if the whole piece were performed", () => {
    const taken = vi.spyOn(Performer.prototype, "take");
    const programme = new Programme(engine, { seed: 5, bars: 32, temperature: null, tempo: null }, []);
    const bars = [programme.next()];
    while (!bars.at(-1)?.last) bars.push(programme.next());
    const composed = bars[0]?.composed;
    const events = composed?.events() ?? [];
    expect(taken.mock.calls.length).toBe(events.length);
    taken.mockRestore();
    const whole = composed ? [...splitIntoBars(perform(composed.start, events))] : [];
    expect(bars.map(({ number, tempos, notes, held }) => [number, tempos, notes, held]))
      .toEqual(whole.map(({ number, tempos, notes, held }) => [number, tempos, notes, held]));
  });

  it("continues a stream of which the listener has the first piece", () => {
    const whole = new Listener(engine, { seed: 7, bars: 4 });
    whole.clock.advance(40);
    const part = new Listener(engine, { seed: 7, bars: 4 }, { origin: -3, piecesKnown: 1 });
    part.clock.advance(37);
    expect(part.messages.find((message) => message.type === "piece")).toMatchObject({ piece: 1 });
    expect(part.notes()).toEqual(whole.notes().filter((row) => (row as number[])[0] !== 0).slice(0, part.bars.length));
    const changed = new Listener(engine, { seed: 7, bars: 8 }, { origin: -3, piecesKnown: 1 });
    changed.send({ type: "set", tempo: 200 });
    changed.clock.advance(3);
    expect(changed.bars[0]).toMatchObject({ piece: 0 });
    expect(changed.bars[0]?.bar).toBeGreaterThan(1);
  });

  it("sends bars some seconds before they begin, each after the one before", () => {
    const listener = new Listener(engine, { seed: 3, bars: 8 });
    listener.clock.advance(30);
    const { bars } = listener;
    for (const [i, bar] of bars.entries()) {
      const before = bars[i - 1];
      if (before?.piece === bar.piece) expect(bar.at).toBeCloseTo(before.at + before.seconds, 2);
      expect(bar.at - bar.now).toBeLessThan(8);
    }
    expect(bars.at(-1)?.at).toBeGreaterThan(30);
  });

  it("plays the same again from the changes that it has sent", () => {
    const listener = new Listener(engine, { seed: 9, bars: 8 });
    listener.clock.advance(5);
    listener.send({ type: "set", temperature: 1.8, tempo: 150 });
    listener.clock.advance(8);
    listener.send({ type: "set", temperature: null });
    listener.clock.advance(5);
    listener.send({ type: "next" });
    listener.clock.advance(20);
    const changes = listener.messages.flatMap((message) => (message.type === "change" ? [message.change] : []));
    expect(changes.map((change) => change[2])).toEqual(expect.arrayContaining(["temperature", "tempo", "length"]));
    const again = new Listener(engine, { seed: 9, bars: 8, changes });
    again.clock.advance(38);
    const length = Math.min(again.bars.length, listener.bars.length);
    expect(length).toBeGreaterThan(8);
    expect(again.notes().slice(0, length)).toEqual(listener.notes().slice(0, length));
  });

  it("continues at a bar with the notes that were to come", () => {
    const whole = new Listener(engine, { seed: 4, bars: 8 });
    whole.clock.advance(20);
    const part = new Listener(engine, { seed: 4, bars: 8, piece: 0, bar: 5 });
    part.clock.advance(3);
    const pitches = (listener: Listener): number[][] => listener.bars
      .filter((bar) => bar.piece === 0 && bar.bar >= 5).map((bar) => bar.notes.map((note) => note.pitch));
    expect(part.bars[0]).toMatchObject({ piece: 0, bar: 5, at: 0 });
    expect(pitches(part).slice(0, 3)).toEqual(pitches(whole).slice(0, 3));
  });

  it("ends a piece with a cadence when the next one is asked for", () => {
    const listener = new Listener(engine, { seed: 6, bars: 16 });
    listener.clock.advance(6);
    listener.send({ type: "next" });
    listener.clock.advance(30);
    const last = listener.bars.find((bar) => bar.piece === 0 && bar.last);
    expect(last?.bar).toBeLessThan(12);
    expect(listener.bars.some((bar) => bar.piece === 1)).toBe(true);
  });
});
