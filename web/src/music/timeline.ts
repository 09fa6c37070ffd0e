/* The music that is known: pieces, and bars in their order with their times on the audio clock, from a while back until as far
   ahead as the server has sent. A bar that comes again takes the place of all from there on.

   Knows messages; knows nothing of sockets, of sound, or of how it is drawn. */

import type { BarMessage, Choice, EndMessage, PieceMessage } from "../protocol/messages";

/** A note with its audio time. `seconds` and `ticks` may still change as long as it sounds. `sent`: the synthesiser has it. */
export interface Note {
  readonly voice: number;
  readonly pitch: number;
  readonly velocity: number;
  readonly tick: number;
  readonly time: number;
  readonly chosen: readonly Choice[];
  ticks: number;
  seconds: number;
  sent: boolean;
}

export interface Bar {
  readonly piece: number;
  readonly bar: number;
  readonly time: number;
  readonly seconds: number;
  readonly tick: number;
  readonly ticks: number;
  readonly meter: readonly [number, number];
  readonly last: boolean;
  readonly tempos: readonly (readonly [tick: number, time: number, qpm: number])[];
  readonly temperature: number;
  readonly notes: readonly Note[];
}

export interface Placed {
  readonly piece: PieceMessage;
  /** Audio time of its end, as soon as it is known. */
  end?: { readonly time: number; readonly next: number };
}

export class Timeline {
  readonly bars: Bar[] = [];
  readonly pieces = new Map<number, Placed>();

  addPiece(message: PieceMessage): void {
    this.pieces.set(message.piece, { piece: message });
  }

  addEnd(message: EndMessage, offset: number): void {
    const placed = this.pieces.get(message.piece);
    if (placed) placed.end = { time: message.at + offset, next: message.next + offset };
  }

  /** Gives the bars that it took the place of. `offset`: audio time - stream time. `joining`: notes that are held into this
   *  bar are begun again, as nobody has heard their beginning. */
  addBar(message: BarMessage, offset: number, joining = false): Bar[] {
    const forgotten = this.forget(message.piece, message.bar);
    const notes = message.notes.map((note) => ({ ...note, time: note.at + offset, sent: false }));
    for (const held of message.held) {
      const begun = this.find(message.piece, held.voice, held.pitch, held.tick);
      if (begun) {
        begun.ticks = held.ticks;
        begun.seconds = held.seconds;
      } else if (joining) {
        const late = message.at - held.at;
        const tick = message.tick;
        notes.push({
          ...held, velocity: 64, chosen: [], sent: false, tick, ticks: held.tick + held.ticks - tick,
          at: message.at, time: message.at + offset, seconds: held.seconds - late,
        });
      }
    }
    notes.sort((a, b) => a.time - b.time);
    const tempos = message.tempos.map(([tick, at, qpm]) => [tick, at + offset, qpm] as const);
    this.bars.push({ ...message, time: message.at + offset, notes, tempos });
    return forgotten;
  }

  /** Drops a bar of a piece and all that comes later. */
  forget(piece: number, bar: number): Bar[] {
    const first = this.bars.findIndex((b) => b.piece > piece || (b.piece === piece && b.bar >= bar));
    if (first < 0) return [];
    for (const [number, placed] of this.pieces) {
      if (number > piece) this.pieces.delete(number);
      else if (number === piece) delete placed.end;
    }
    return this.bars.splice(first);
  }

  clear(): void {
    this.bars.length = 0;
    this.pieces.clear();
  }

  /** Where the music that is known ends, on the audio clock; -Infinity where there is none. */
  get until(): number {
    const last = this.bars.at(-1);
    if (!last) return -Infinity;
    const end = last.last ? this.pieces.get(last.piece)?.end : undefined;
    return end ? end.next : last.time + last.seconds;
  }

  /** The bar that sounds at a time, or in a breath the one before. */
  barAt(time: number): Bar | undefined {
    return this.bars.findLast((bar) => bar.time <= time);
  }

  /** The notes of each bar that may sound in a span of time, which is to be asked with some seconds to spare. */
  *between(from: number, to: number): Generator<{ bar: Bar; note: Note }> {
    for (const bar of this.bars) {
      if (bar.time > to) return;
      for (const note of bar.notes) if (note.time < to && note.time + note.seconds > from) yield { bar, note };
    }
  }

  /** Forgets bars of pieces before `piece` that ended before `time`. */
  prune(piece: number, time: number): void {
    const kept = this.bars.findIndex((bar) => bar.piece >= piece || bar.time + bar.seconds >= time);
    if (kept > 0) this.bars.splice(0, kept);
    const first = this.bars[0]?.piece ?? piece;
    for (const number of this.pieces.keys()) if (number < first) this.pieces.delete(number);
  }

  private find(piece: number, voice: number, pitch: number, tick: number): Note | undefined {
    for (let i = this.bars.length - 1; i >= 0 && this.bars[i]?.piece === piece; i--) {
      const found = this.bars[i]?.notes.find((n) => n.voice === voice && n.pitch === pitch && n.tick === tick);
      if (found) return found;
    }
    return undefined;
  }
}
