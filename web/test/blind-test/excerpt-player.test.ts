/* The excerpt player sends each note once, in time, and stops at once. */

import { beforeEach, describe, expect, it } from "vitest";

import { ExcerptPlayer, type Output } from "../../src/blind-test/excerpt-player";
import type { Excerpt, PairVoice } from "../../src/protocol/blind-test";
import type { Needed } from "../../src/sound/instruments";
import type { Synth } from "../../src/sound/synth";

const VOICES: readonly PairVoice[] = [["Soprano", 52, false], ["Drums", 8, true]];
const EXCERPT: Excerpt = { seconds: 4, notes: [[0, 60, 70, 0, 0.5], [1, 36, 80, 1, 0.5], [0, 62, 75, 3, 1]] };

let now: number;
let sent: string[];
let synth: Synth & { complete(voices: readonly Needed[]): Promise<void> };
let arrived: Promise<void>;
let output: Output;

beforeEach(() => {
  now = 10;
  sent = [];
  arrived = Promise.resolve();
  synth = {
    renderer: "main thread",
    complete: (voices) => { sent.push(`needs ${voices.map((voice) => voice.program).join(" and ")}`); return arrived; },
    setMuted: () => undefined,
    noteOn: (channel, pitch, velocity, time) => sent.push(`on ${channel} ${pitch} ${velocity} ${time.toFixed(3)}`),
    noteOff: (channel, pitch, time) => sent.push(`off ${channel} ${pitch} ${time.toFixed(3)}`),
    programChange: (channel, program) => sent.push(`program ${channel} ${program}`),
    silence: () => sent.push("silence"),
    renderAhead: () => undefined,
  };
  output = {
    get now() { return now; },
    synth: Promise.resolve(synth),
    unlock: () => Promise.resolve(),
    fadeIn: () => undefined,
    fadeOut: (afterwards) => afterwards(),
  };
});

function advance(player: ExcerptPlayer, seconds: number, hidden = false): void {
  for (const end = now + seconds; now < end; now += 0.05) player.advance(hidden);
}

describe("the excerpt player", () => {
  it("sets the instruments and sends each note once, shortly before it sounds", async () => {
    const player = new ExcerptPlayer(output, () => undefined);
    await player.play(EXCERPT, VOICES);
    expect(sent).toEqual(["needs 52 and 8", "program 0 52", "program 9 8", "on 0 60 70 10.150", "off 0 60 10.646"]);
    advance(player, 0.5);
    expect(sent).toHaveLength(5);
    advance(player, 3.5);
    expect(sent.slice(5)).toEqual(["on 9 36 80 11.150", "off 9 36 11.646", "on 0 62 75 13.150", "off 0 62 14.146"]);
  });

  it("schedules further ahead on a hidden page", async () => {
    const player = new ExcerptPlayer(output, () => undefined);
    await player.play(EXCERPT, VOICES);
    player.advance(true);
    expect(sent.filter((line) => line.startsWith("on"))).toHaveLength(2);
  });

  it("knows how much was heard, and stops at the end", async () => {
    let changes = 0;
    const player = new ExcerptPlayer(output, () => changes++);
    await player.play(EXCERPT, VOICES);
    now = 12.15;
    expect(player.progress).toBeCloseTo(0.5);
    now = 14.5;
    player.advance(false);
    expect([player.current, player.progress]).toEqual([EXCERPT, 1]);
    now = 15.2;
    player.advance(false);
    expect(player.current).toBeNull();
    expect(changes).toBe(3);
  });

  it("is silent after a stop, and begins again from the beginning", async () => {
    const player = new ExcerptPlayer(output, () => undefined);
    await player.play(EXCERPT, VOICES);
    player.stop();
    expect(sent.at(-1)).toBe("silence");
    advance(player, 5);
    expect(sent.at(-1)).toBe("silence");
    await player.play(EXCERPT, VOICES);
    expect(sent.filter((line) => line.startsWith("on 0 60"))).toHaveLength(2);
  });

  it("plays the other excerpt instead", async () => {
    const other: Excerpt = { seconds: 1, notes: [[0, 48, 64, 0, 1]] };
    const player = new ExcerptPlayer(output, () => undefined);
    await player.play(EXCERPT, VOICES);
    await player.play(other, VOICES);
    advance(player, 2);
    expect(sent.filter((line) => line.startsWith("on"))).toEqual(["on 0 60 70 10.150", "on 0 48 64 10.150"]);
    expect(sent.indexOf("silence")).toBeLessThan(sent.indexOf("on 0 48 64 10.150"));
  });

  it("does not begin once it was stopped while the instruments were loading", async () => {
    const player = new ExcerptPlayer(output, () => undefined);
    const playing = player.play(EXCERPT, VOICES);
    expect(player.started).toBe(false);
    player.stop();
    await playing;
    expect(sent.filter((line) => line.startsWith("on"))).toEqual([]);
  });

  it("waits for all instruments, so that no excerpt sounds otherwise than another", async () => {
    let arrive = (): void => undefined;
    arrived = new Promise((resolve) => (arrive = resolve));
    const player = new ExcerptPlayer(output, () => undefined);
    const playing = player.play(EXCERPT, VOICES);
    advance(player, 3);
    await Promise.resolve();
    expect([player.started, sent]).toEqual([false, ["needs 52 and 8"]]);
    arrive();
    await playing;
    expect(sent).toContain("on 0 60 70 13.150");
  });

  it("says that the instruments could not be loaded, and is stopped then", async () => {
    const player = new ExcerptPlayer({ ...output, synth: Promise.reject(new Error("HTTP 500")) }, () => undefined);
    await expect(player.play(EXCERPT, VOICES)).rejects.toThrow("HTTP 500");
    expect(player.current).toBeNull();
  });
});
