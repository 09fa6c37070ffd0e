import { describe, expect, it } from "vitest";

import { Scheduler } from "../../src/playback/scheduler";
import type { Synth } from "../../src/sound/synth";
import { Timeline } from "../../src/music/timeline";
import { barMessage, heldNote, pieceMessage, wireNote } from "../sample-messages";

type Message = readonly [type: "on" | "off" | "program", channel: number, value: number, time: number];

class SynthSpy implements Synth {
  readonly renderer = "AudioWorklet";
  readonly messages: Message[] = [];
  readonly mutes: [channel: number, muted: boolean][] = [];
  noteOn(channel: number, pitch: number, _velocity: number, time: number): void {
    this.messages.push(["on", channel, pitch, time]);
  }
  noteOff(channel: number, pitch: number, time: number): void {
    this.messages.push(["off", channel, pitch, time]);
  }
  programChange(channel: number, program: number, time: number): void {
    this.messages.push(["program", channel, program, time]);
  }
  setMuted(channel: number, muted: boolean): void {
    this.mutes.push([channel, muted]);
  }
  silence(): void {
    this.messages.length = 0;
  }
  renderAhead(): void {
    // Nothing is rendered.
  }
  ofType(type: Message[0]): Message[] {
    return this.messages.filter((message) => message[0] === type);
  }
}

function playing(program: number | null = null): { synth: SynthSpy; timeline: Timeline; scheduler: Scheduler } {
  const [synth, timeline] = [new SynthSpy(), new Timeline()];
  timeline.addPiece(pieceMessage(0));
  return { synth, timeline, scheduler: new Scheduler(synth, timeline, () => program) };
}

const run = (scheduler: Scheduler, from: number, to: number, step = 0.05): void => {
  for (let now = from; now < to; now += step) scheduler.advance(now, false);
};

describe("Scheduler", () => {
  it("starts each note once, at its time, and ends it", () => {
    const { synth, timeline, scheduler } = playing();
    for (const number of [1, 2, 3]) timeline.addBar(barMessage(number), 10);
    run(scheduler, 9, 20);
    expect(synth.ofType("on").map((m) => m[3])).toEqual([10, 13, 16]);
    const ends = synth.ofType("off").map((m) => m[3]);
    expect(ends).toHaveLength(3);
    for (const [i, end] of ends.entries()) expect(end).toBeCloseTo(10 + 3 * i + 0.75, 1);
    expect(synth.ofType("program")).toHaveLength(1);
  });

  it("is not affected by timers that are late, but before the note", () => {
    const [even, late] = [playing(), playing()];
    for (const { timeline } of [even, late]) for (const number of [1, 2, 3]) timeline.addBar(barMessage(number), 10);
    run(even.scheduler, 9, 20);
    run(late.scheduler, 9, 20, 0.27);
    expect(late.synth.ofType("on")).toEqual(even.synth.ofType("on"));
  });

  it("ends a note before the same one begins again", () => {
    const { synth, timeline, scheduler } = playing();
    const notes = [0, 1, 2, 3].map((i) => wireNote({ at: i * 0.75, tick: i * 480 }));
    timeline.addBar(barMessage(1, { notes }), 10);
    run(scheduler, 9, 20);
    const order = [...synth.messages].sort((a, b) => a[3] - b[3]).map((m) => m[0]);
    expect(order).toEqual(["program", "on", "off", "on", "off", "on", "off", "on", "off"]);
  });

  it("plays the replacement of a bar", () => {
    const { synth, timeline, scheduler } = playing();
    for (const number of [1, 2]) timeline.addBar(barMessage(number), 10);
    run(scheduler, 9, 12.45);
    timeline.addBar(barMessage(2, { notes: [wireNote({ pitch: 72, at: 3, tick: 1920 })] }), 10);
    run(scheduler, 12.45, 20);
    expect(synth.ofType("on").map((m) => m[2])).toEqual([67, 72]);
  });

  it("ends a held note where a later bar says", () => {
    const { synth, timeline, scheduler } = playing();
    timeline.addBar(barMessage(1, { notes: [wireNote({ seconds: 3 })] }), 10);
    run(scheduler, 9, 12);
    timeline.addBar(barMessage(2, { held: [heldNote({ seconds: 4.5, ticks: 2880 })], notes: [] }), 10);
    run(scheduler, 12, 20);
    expect(synth.ofType("off").map((m) => m[3])).toEqual([expect.closeTo(14.5, 1)]);
  });

  it("skips notes that have ended already, and starts those that have not", () => {
    const { synth, timeline, scheduler } = playing();
    timeline.addBar(barMessage(1, { notes: [wireNote(), wireNote({ voice: 1, pitch: 40, seconds: 3 })] }), 10);
    run(scheduler, 12, 20);
    expect(synth.ofType("on").map((m) => m[2])).toEqual([40]);
    expect(synth.ofType("off").map((m) => m[2])).toEqual([40]);
  });

  it("plays the listener's instrument in every voice", () => {
    const { synth, timeline, scheduler } = playing(19);
    timeline.addBar(barMessage(1, { notes: [wireNote(), wireNote({ voice: 1, pitch: 40 })] }), 10);
    run(scheduler, 9, 12);
    expect(synth.ofType("program").map((m) => [m[1], m[2]])).toEqual([[0, 19], [1, 19]]);
  });

  it("leaves the drum kit unchanged", () => {
    const { synth, timeline, scheduler } = playing(19);
    timeline.pieces.clear();
    timeline.addPiece(pieceMessage(0, { voices: [{ name: "Drums", program: 8, drums: true }] }));
    timeline.addBar(barMessage(1), 10);
    run(scheduler, 9, 12);
    expect(synth.messages.map((m) => m[1])).toEqual([9, 9, 9]);
    expect(synth.ofType("program").map((m) => m[2])).toEqual([8]);
  });

  it("mutes the channels whose voices are not heard, once, and lets them be heard again", () => {
    const heard = new Set([0, 1]);
    const [synth, timeline] = [new SynthSpy(), new Timeline()];
    const scheduler = new Scheduler(synth, timeline, () => null, (_, voice) => heard.has(voice));
    timeline.addPiece(pieceMessage(0));
    scheduler.applyMix(0);
    expect(synth.mutes).toEqual([]);
    heard.delete(1);
    scheduler.applyMix(0);
    scheduler.applyMix(0);
    heard.add(1);
    scheduler.applyMix(0);
    expect(synth.mutes).toEqual([[1, true], [1, false]]);
  });

  it("lets voices on one channel be heard together", () => {
    const [synth, timeline] = [new SynthSpy(), new Timeline()];
    const scheduler = new Scheduler(synth, timeline, () => null, (_, voice) => voice === 1);
    const drums = ["Snare", "Bass drum"].map((name) => ({ name, program: 0, drums: true }));
    timeline.addPiece(pieceMessage(0, { voices: [...drums, { name: "Bass", program: 32, drums: false }] }));
    scheduler.applyMix(0);
    expect(synth.mutes).toEqual([[2, true]]);
  });

  it("schedules far enough ahead on a hidden page, whose timers fire once a second", () => {
    const { synth, timeline, scheduler } = playing();
    for (const number of [1, 2, 3]) timeline.addBar(barMessage(number), 10);
    for (let now = 9; now < 20; now += 1) {
      const before = synth.ofType("on").length;
      scheduler.advance(now, true);
      for (const [, , , time] of synth.ofType("on").slice(before)) expect(time).toBeGreaterThan(now);
    }
    expect(synth.ofType("on")).toHaveLength(3);
  });
});
