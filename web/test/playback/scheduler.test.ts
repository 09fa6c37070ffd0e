import { describe, expect, it } from "vitest";

import { Scheduler } from "../../src/playback/scheduler";
import type { Synth } from "../../src/sound/synth";
import { Timeline } from "../../src/music/timeline";
import { bar, held, note, piece } from "../sample-messages";

type Message = readonly [what: "on" | "off" | "program", channel: number, value: number, time: number];

class Heard implements Synth {
  readonly way = "AudioWorklet";
  readonly messages: Message[] = [];
  noteOn(channel: number, pitch: number, _velocity: number, time: number): void {
    this.messages.push(["on", channel, pitch, time]);
  }
  noteOff(channel: number, pitch: number, time: number): void {
    this.messages.push(["off", channel, pitch, time]);
  }
  program(channel: number, program: number, time: number): void {
    this.messages.push(["program", channel, program, time]);
  }
  silence(): void {
    this.messages.length = 0;
  }
  advance(): void {}
  of(what: Message[0]): Message[] {
    return this.messages.filter((message) => message[0] === what);
  }
}

function playing(program: number | null = null): { synth: Heard; timeline: Timeline; scheduler: Scheduler } {
  const [synth, timeline] = [new Heard(), new Timeline()];
  timeline.addPiece(piece(0));
  return { synth, timeline, scheduler: new Scheduler(synth, timeline, () => program) };
}

const run = (scheduler: Scheduler, from: number, to: number, step = 0.05): void => {
  for (let now = from; now < to; now += step) scheduler.advance(now, false);
};

describe("Scheduler", () => {
  it("gives each note once, with its own time, in order, and ends it", () => {
    const { synth, timeline, scheduler } = playing();
    for (const number of [1, 2, 3]) timeline.addBar(bar(number), 10);
    run(scheduler, 9, 20);
    expect(synth.of("on").map((m) => m[3])).toEqual([10, 13, 16]);
    const ends = synth.of("off").map((m) => m[3]);
    expect(ends).toHaveLength(3);
    for (const [i, end] of ends.entries()) expect(end).toBeCloseTo(10 + 3 * i + 0.75, 1);
    expect(synth.of("program")).toHaveLength(1);
  });

  it("changes nothing when timers are late, as long as they come before the note", () => {
    const [even, late] = [playing(), playing()];
    for (const { timeline } of [even, late]) for (const number of [1, 2, 3]) timeline.addBar(bar(number), 10);
    run(even.scheduler, 9, 20);
    run(late.scheduler, 9, 20, 0.27);
    expect(late.synth.of("on")).toEqual(even.synth.of("on"));
  });

  it("ends a note before the same one begins again", () => {
    const { synth, timeline, scheduler } = playing();
    const notes = [0, 1, 2, 3].map((i) => note({ at: i * 0.75, tick: i * 480 }));
    timeline.addBar(bar(1, { notes }), 10);
    run(scheduler, 9, 20);
    const order = [...synth.messages].sort((a, b) => a[3] - b[3]).map((m) => m[0]);
    expect(order).toEqual(["program", "on", "off", "on", "off", "on", "off", "on", "off"]);
  });

  it("plays what a bar was replaced with, not what it was", () => {
    const { synth, timeline, scheduler } = playing();
    for (const number of [1, 2]) timeline.addBar(bar(number), 10);
    run(scheduler, 9, 12.45);
    timeline.addBar(bar(2, { notes: [note({ pitch: 72, at: 3, tick: 1920 })] }), 10);
    run(scheduler, 12.45, 20);
    expect(synth.of("on").map((m) => m[2])).toEqual([67, 72]);
  });

  it("lets a held note sound until the end that a later bar gives it", () => {
    const { synth, timeline, scheduler } = playing();
    timeline.addBar(bar(1, { notes: [note({ seconds: 3 })] }), 10);
    run(scheduler, 9, 12);
    timeline.addBar(bar(2, { held: [held({ seconds: 4.5, ticks: 2880 })], notes: [] }), 10);
    run(scheduler, 12, 20);
    expect(synth.of("off").map((m) => m[3])).toEqual([expect.closeTo(14.5, 1)]);
  });

  it("leaves out notes that are over already, and begins those that are not", () => {
    const { synth, timeline, scheduler } = playing();
    timeline.addBar(bar(1, { notes: [note(), note({ voice: 1, pitch: 40, seconds: 3 })] }), 10);
    run(scheduler, 12, 20);
    expect(synth.of("on").map((m) => m[2])).toEqual([40]);
    expect(synth.of("off").map((m) => m[2])).toEqual([40]);
  });

  it("plays the listener's instrument in every voice", () => {
    const { synth, timeline, scheduler } = playing(19);
    timeline.addBar(bar(1, { notes: [note(), note({ voice: 1, pitch: 40 })] }), 10);
    run(scheduler, 9, 12);
    expect(synth.of("program").map((m) => [m[1], m[2]])).toEqual([[0, 19], [1, 19]]);
  });

  it("leaves drums what they are", () => {
    const { synth, timeline, scheduler } = playing(19);
    timeline.pieces.clear();
    timeline.addPiece(piece(0, { voices: [{ name: "Drums", program: 8, drums: true }] }));
    timeline.addBar(bar(1), 10);
    run(scheduler, 9, 12);
    expect(synth.messages.map((m) => m[1])).toEqual([9, 9, 9]);
    expect(synth.of("program").map((m) => m[2])).toEqual([8]);
  });

  it("knows enough ahead for a page whose timers come once a second", () => {
    const { synth, timeline, scheduler } = playing();
    for (const number of [1, 2, 3]) timeline.addBar(bar(number), 10);
    for (let now = 9; now < 20; now += 1) {
      const before = synth.of("on").length;
      scheduler.advance(now, true);
      for (const [, , , time] of synth.of("on").slice(before)) expect(time).toBeGreaterThan(now);
    }
    expect(synth.of("on")).toHaveLength(3);
  });
});
