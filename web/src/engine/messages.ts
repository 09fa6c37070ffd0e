/* What a session in the page sends, as the messages that a server would send (src/playbach/server/messages.py). */

import type {
  BarMessage, ChangeRow, EndMessage, HeldNote, PieceMessage, ServerMessage, WireNote,
} from "../protocol/messages";
import type { TimedBar, TimedNote } from "./stream";

export class MessageEncoder {
  private piece = -1;

  *encode(item: TimedBar | ChangeRow, now: number): Generator<ServerMessage> {
    if (isChange(item)) {
      yield { type: "change", change: item };
      return;
    }
    if (item.bar.piece > this.piece) yield pieceMessage(item);
    this.piece = item.bar.piece;
    yield barMessage(item, now);
    if (item.bar.last) yield endMessage(item);
  }
}

export function isChange(item: TimedBar | ChangeRow): item is ChangeRow {
  return Array.isArray(item);
}

function pieceMessage({ bar, at }: TimedBar): PieceMessage {
  const { start, seed, beginning } = bar.composed;
  return {
    type: "piece", piece: bar.piece, seed, bars: bar.length, at: milliseconds(at), tempo: beginning.tempo,
    voices: start.tracks, velocities: start.velocities,
  };
}

function barMessage(timed: TimedBar, now: number): BarMessage {
  const { bar } = timed;
  return {
    type: "bar", piece: bar.piece, bar: bar.number, at: milliseconds(timed.at), seconds: milliseconds(timed.seconds),
    tick: bar.tick, ticks: bar.ticks, meter: [bar.meter.numerator, bar.meter.denominator], last: bar.last,
    tempos: timed.tempos.map(([tick, at, qpm]) => [tick, milliseconds(at), Math.round(qpm * 100) / 100]),
    temperature: timed.temperature,
    notes: timed.notes.map((note): WireNote => (
      { ...held(note), velocity: note.note.velocity, chosen: note.note.choices }
    )),
    held: timed.held.map(held),
    now: milliseconds(now),
  };
}

function endMessage(timed: TimedBar): EndMessage {
  return { type: "end", piece: timed.bar.piece, at: milliseconds(timed.at + timed.seconds), next: milliseconds(timed.nextAt) };
}

function held({ note, at, seconds }: TimedNote): HeldNote {
  return {
    voice: note.track, pitch: note.pitch, tick: note.tick, ticks: note.duration, at: milliseconds(at),
    seconds: milliseconds(seconds),
  };
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}
