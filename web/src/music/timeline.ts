/* The pieces and bars that the server has sent, with their times on the audio clock: from some time ago until as far ahead as
   is known. A bar that is sent again replaces itself and everything after it. */

import type { BarMessage, ChoiceRow, EndMessage, MeterRow, PieceMessage } from "../protocol/messages";

/** A note with its audio time. `ticks` and `seconds`, its length, may change while it sounds. */
export interface Note {
  readonly voice: number;
  readonly pitch: number;
  readonly velocity: number;
  readonly tick: number;
  readonly time: number;
  readonly chosen: readonly ChoiceRow[];
  ticks: number;
  seconds: number;
  /** Whether the synthesiser has received it. */
  scheduled: boolean;
}

export interface Bar {
  readonly piece: number;
  readonly bar: number;
  readonly time: number;
  readonly seconds: number;
  readonly tick: number;
  readonly ticks: number;
  readonly meter: MeterRow;
  readonly last: boolean;
  readonly tempos: readonly (readonly [tick: number, time: number, qpm: number])[];
  readonly temperature: number;
  readonly notes: readonly Note[];
}

export interface TimelinePiece {
  readonly message: PieceMessage;
  /** The audio times at which the piece ends and the next one begins, once they are known. */
  end?: { readonly time: number; readonly next: number };
}

export class Timeline {
  readonly bars: Bar[] = [];
  readonly pieces = new Map<number, TimelinePiece>();

  addPiece(message: PieceMessage): void {
    this.pieces.set(message.piece, { message });
  }

  /** `offset` is audio time - stream time. */
  addEnd(message: EndMessage, offset: number): void {
    const piece = this.pieces.get(message.piece);
    if (piece) piece.end = { time: message.at + offset, next: message.next + offset };
  }

  /** Adds a bar. `offset` is audio time - stream time. With `joining`, held notes whose beginning is not on the timeline
   *  begin with this bar.
   *  @returns the bars that it replaced. */
  addBar(message: BarMessage, offset: number, joining = false): Bar[] {
    const replaced = this.removeFrom(message.piece, message.bar);
    const notes = message.notes.map((note) => ({ ...note, time: note.at + offset, scheduled: false }));
    for (const held of message.held) {
      const note = this.findNote(message.piece, held.voice, held.pitch, held.tick);
      if (note) {
        note.ticks = held.ticks;
        note.seconds = held.seconds;
      } else if (joining) {
        const elapsed = message.at - held.at;
        const tick = message.tick;
        notes.push({
          ...held, velocity: 64, chosen: [], scheduled: false, tick, ticks: held.tick + held.ticks - tick,
          at: message.at, time: message.at + offset, seconds: held.seconds - elapsed,
        });
      }
    }
    notes.sort((a, b) => a.time - b.time);
    const tempos = message.tempos.map(([tick, at, qpm]) => [tick, at + offset, qpm] as const);
    this.bars.push({ ...message, time: message.at + offset, notes, tempos });
    return replaced;
  }

  /** Removes a bar of a piece and everything after it.
   *  @returns the bars that it removed. */
  removeFrom(piece: number, bar: number): Bar[] {
    const first = this.bars.findIndex((b) => b.piece > piece || (b.piece === piece && b.bar >= bar));
    if (first < 0) return [];
    for (const [number, found] of this.pieces) {
      if (number > piece) this.pieces.delete(number);
      else if (number === piece) delete found.end;
    }
    return this.bars.splice(first);
  }

  clear(): void {
    this.bars.length = 0;
    this.pieces.clear();
  }

  /** The audio time until which the music is known; -Infinity if there is none. */
  get end(): number {
    const last = this.bars.at(-1);
    if (!last) return -Infinity;
    const end = last.last ? this.pieces.get(last.piece)?.end : undefined;
    return end ? end.next : last.time + last.seconds;
  }

  /** The bar at an audio time; between two pieces, the last bar before it. */
  barAt(time: number): Bar | undefined {
    return this.bars.findLast((bar) => bar.time <= time);
  }

  /** The notes that sound between two audio times, with their bars. */
  *notesBetween(from: number, to: number): Generator<{ bar: Bar; note: Note }> {
    for (const bar of this.bars) {
      if (bar.time > to) return;
      for (const note of bar.notes) if (note.time < to && note.time + note.seconds > from) yield { bar, note };
    }
  }

  /** Removes the bars of pieces before `piece` that ended before the audio time `time`. */
  prune(piece: number, time: number): void {
    const kept = this.bars.findIndex((bar) => bar.piece >= piece || bar.time + bar.seconds >= time);
    if (kept > 0) this.bars.splice(0, kept);
    const first = this.bars[0]?.piece ?? piece;
    for (const number of this.pieces.keys()) if (number < first) this.pieces.delete(number);
  }

  private findNote(piece: number, voice: number, pitch: number, tick: number): Note | undefined {
    for (let i = this.bars.length - 1; i >= 0 && this.bars[i]?.piece === piece; i--) {
      const found = this.bars[i]?.notes.find((n) => n.voice === voice && n.pitch === pitch && n.tick === tick);
      if (found) return found;
    }
    return undefined;
  }
}
