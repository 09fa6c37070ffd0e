/* What was just played, as a file: the piece that is heard, as far as it was heard, on the instrument it was heard on last;
   or the one before, where it has hardly begun. A change of instrument within a track would make two voices of it for many
   who read the file.

   Knows the timeline and what is to be written; the bytes are made in midi.ts. */

import { midiChannel, type FileTrack, type MidiFile } from "../music/midi-file";
import type { Session } from "./session";
import type { Bar, Placed, Timeline } from "../music/timeline";

const TICKS_PER_QUARTER = 480;
const HARDLY = 2; // bars
/** How playbach marks its files, so that `playbach inspect` can tell how they were made. */
const MARKER = "playbach ";

export interface Recording {
  readonly name: string;
  readonly file: MidiFile;
}

/** Null where nothing was heard yet. `heard` is an audio time. */
export function record(timeline: Timeline, session: Session, heard: number): Recording | null {
  const played = timeline.bars.filter((bar) => bar.time <= heard);
  const last = played.at(-1);
  if (!last) return null;
  const inPiece = (piece: number): Bar[] => played.filter((bar) => bar.piece === piece);
  const before = inPiece(last.piece - 1);
  const bars = inPiece(last.piece).length < HARDLY && before.length >= HARDLY ? before : inPiece(last.piece);
  const placed = timeline.pieces.get(bars[0]?.piece ?? -1);
  if (!placed || !bars[0]) return null;
  const name = `${session.stream?.model ?? "playbach"}-${placed.piece.seed}.mid`;
  return { name: name.replace(/[^\w.-]+/g, "-"), file: fileOf(bars, placed, session, heard) };
}

function fileOf(bars: readonly Bar[], placed: Placed, session: Session, heard: number): MidiFile {
  const from = bars[0]?.tick ?? 0;
  const last = bars.at(-1);
  const program = last ? session.programAt(last.piece, last.bar) : null;
  const meters = bars.filter((bar, i) => String(bars[i - 1]?.meter) !== String(bar.meter));
  const tempos = bars.flatMap((bar) => bar.tempos.map(([tick, , qpm]) => ({ tick: Math.max(0, tick - from), qpm })));
  return {
    ticksPerQuarter: TICKS_PER_QUARTER,
    marker: MARKER + JSON.stringify(provenance(placed, session)),
    meters: meters.map((bar) => ({ tick: bar.tick - from, numerator: bar.meter[0], denominator: bar.meter[1] })),
    tempos: tempos.filter((tempo, i) => tempos[i - 1]?.qpm !== tempo.qpm),
    tracks: placed.piece.voices.map((voice, i): FileTrack => {
      const notes = bars.flatMap((bar) => bar.notes.filter((note) => note.voice === i && note.time <= heard));
      return {
        name: voice.name,
        program: voice.drums ? voice.program : (program ?? voice.program),
        channel: midiChannel(i, voice.drums),
        notes: notes.map((note) => ({ ...note, tick: note.tick - from, duration: note.ticks })),
      };
    }),
  };
}

function provenance(placed: Placed, session: Session): unknown {
  const piece = placed.piece;
  const { temperature, tempo } = session.stream ?? { temperature: null, tempo: null };
  const options = { bars: piece.bars, ...(temperature !== null && { temperature }), ...(tempo !== null && { tempo }) };
  const turned = session.changes.filter((change) => change[0] <= piece.piece);
  return {
    model: session.stream?.model, bundle: session.stream?.bundle, seed: piece.seed, options,
    ...(turned.length > 0 && { changes: turned }),
  };
}
