/* Messages as the server sends them, for tests: small, and right unless a test says otherwise. */

import type { BarMessage, HeldNote, PieceMessage, StreamMessage, WireNote } from "../src/protocol/messages";

export const stream = (given: Partial<StreamMessage> = {}): StreamMessage => ({
  type: "stream", kind: "own", model: "bach", bundle: "9f0c".repeat(16), runtime: "onnx", seed: 12, bars: 16,
  temperature: null, tempo: null, changes: [], piece: 0, ahead: 6, fields: ["symbol"], ...given,
});

export const piece = (number: number, given: Partial<PieceMessage> = {}): PieceMessage => ({
  type: "piece", piece: number, seed: 12 + number, bars: 16, at: 0, tempo: 80,
  voices: [{ name: "Soprano", program: 52 }, { name: "Bass", program: 53 }], ...given,
});

export const note = (given: Partial<WireNote> = {}): WireNote => ({
  voice: 0, pitch: 67, velocity: 72, tick: 0, ticks: 480, at: 0, seconds: 0.75,
  chosen: [["67", 0.8, [["69", 0.1]]]], ...given,
});

export const held = (given: Partial<HeldNote> = {}): HeldNote => ({
  voice: 0, pitch: 67, tick: 0, ticks: 480, at: 0, seconds: 0.75, ...given,
});

/** A bar of three seconds, one beside the other, from bar 1 at 0 on. */
export const bar = (number: number, given: Partial<BarMessage> = {}): BarMessage => {
  const tick = (number - 1) * 1920;
  const at = (number - 1) * 3;
  return {
    type: "bar", piece: 0, bar: number, at, seconds: 3, tick, ticks: 1920, meter: [4, 4], now: 0, last: false,
    tempos: [[tick, at, 80]], temperature: 1, notes: [note({ tick, at })], held: [], ...given,
  };
};
