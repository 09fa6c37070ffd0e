/* Small, valid messages of the server, for tests. Each test overrides what it needs. */

import { parameterValues } from "../src/music/parameter-changes";
import type { BarMessage, HeldNote, PieceMessage, StreamMessage, WireNote } from "../src/protocol/messages";

export const streamMessage = (overrides: Partial<StreamMessage> = {}): StreamMessage => ({
  type: "stream", kind: "own", model: "bach", bundle: "9f0c".repeat(16), runtime: "onnx", seed: 12, bars: 16,
  ...parameterValues(() => null), changes: [], piece: 0, ahead: 6, fields: ["symbol"], ...overrides,
});

export const pieceMessage = (number: number, overrides: Partial<PieceMessage> = {}): PieceMessage => ({
  type: "piece", piece: number, seed: 12 + number, bars: 16, at: 0, tempo: 80,
  voices: [{ name: "Soprano", program: 52, drums: false }, { name: "Bass", program: 53, drums: false }],
  velocities: false, ...overrides,
});

export const wireNote = (overrides: Partial<WireNote> = {}): WireNote => ({
  voice: 0, pitch: 67, velocity: 72, tick: 0, ticks: 480, at: 0, seconds: 0.75,
  chosen: [["67", 0.8, [["69", 0.1]]]], ...overrides,
});

export const heldNote = (overrides: Partial<HeldNote> = {}): HeldNote => ({
  voice: 0, pitch: 67, tick: 0, ticks: 480, at: 0, seconds: 0.75, ...overrides,
});

/** A bar of three seconds. Bar 1 begins at 0, and each bar follows the one before. */
export const barMessage = (number: number, overrides: Partial<BarMessage> = {}): BarMessage => {
  const tick = (number - 1) * 1920;
  const at = (number - 1) * 3;
  return {
    type: "bar", piece: 0, bar: number, at, seconds: 3, tick, ticks: 1920, meter: [4, 4], now: 0, last: false,
    tempos: [[tick, at, 80]], temperature: 1, notes: [wireNote({ tick, at })], held: [], ...overrides,
  };
};
