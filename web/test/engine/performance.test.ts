import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

import type { PieceEvent, PieceStart } from "../../src/engine/events";
import { perform, splitIntoBars } from "./whole-piece";

interface Piece extends PieceStart {
  readonly plain: PieceEvent[];
  readonly performed: PieceEvent[];
  readonly bars: unknown[];
}

const pieces = JSON.parse(readFileSync(new URL("pieces.json", import.meta.url), "utf8")) as Piece[];

describe("performing in the page", () => {
  it.each(pieces.map((piece, i) => [i, piece] as const))("gives piece %i the package's velocities and tempos", (_, piece) => {
    expect([...perform(piece, piece.plain)].map(rounded)).toEqual(piece.performed.map(rounded));
  });

  it.each(pieces.map((piece, i) => [i, piece] as const))("splits piece %i into the package's bars", (_, piece) => {
    const bars = [...splitIntoBars(perform(piece, piece.plain))];
    expect(bars.map((b) => [b.number, b.tick, b.ticks, b.notes.length, b.held.length, b.last])).toEqual(piece.bars);
  });

  it("returns the same events for a beginning as for the whole", () => {
    for (const piece of pieces) {
      const whole = [...perform(piece, piece.plain)];
      for (let length = 0; length < piece.plain.length; length += 7) {
        const beginning = [...perform(piece, piece.plain.slice(0, length))];
        expect(beginning).toEqual(whole.slice(0, beginning.length));
      }
    }
  });
});

function rounded(event: PieceEvent): PieceEvent {
  return event.kind === "tempo" ? { ...event, qpm: Math.round(event.qpm * 1e6) / 1e6 } : event;
}
