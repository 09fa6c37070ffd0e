/* The piece that is playing, as far as it has been heard, as a MIDI file. If it has hardly begun, the file holds the piece
   before. All of it is written with the instrument that was heard last: many programs would read a change of instrument
   within a track as a second voice. */

import { midiChannel, type FileTrack, type MidiFile } from "../music/midi-file";
import { givenValues, parameterValues } from "../music/parameter-changes";
import type { Bar, Timeline, TimelinePiece } from "../music/timeline";
import type { PieceMessage } from "../protocol/messages";
import type { Session } from "./session";

const TICKS_PER_QUARTER = 480;
const FEWEST_BARS = 2; // of the current piece; with fewer, the piece before is taken
/** How playbach marks its files, so that `playbach inspect` can show how they were made. */
const MARKER = "playbach ";

export interface Recording {
  readonly name: string;
  readonly file: MidiFile;
}

/** What has been heard until the audio time `audible`; null if nothing has. */
export function recordingUntil(timeline: Timeline, session: Session, audible: number): Recording | null {
  const played = timeline.bars.filter((bar) => bar.time <= audible);
  const last = played.at(-1);
  if (!last) return null;
  const inPiece = (number: number): Bar[] => played.filter((bar) => bar.piece === number);
  const before = inPiece(last.piece - 1);
  const current = inPiece(last.piece);
  const bars = current.length < FEWEST_BARS && before.length >= FEWEST_BARS ? before : current;
  const piece = timeline.pieces.get(bars[0]?.piece ?? -1);
  if (!piece || !bars[0]) return null;
  const name = `${session.stream?.model ?? "playbach"}-${piece.message.seed}.mid`;
  return { name: name.replace(/[^\w.-]+/g, "-"), file: midiFile(bars, piece, session, audible) };
}

function midiFile(bars: readonly Bar[], piece: TimelinePiece, session: Session, audible: number): MidiFile {
  const from = bars[0]?.tick ?? 0;
  const last = bars.at(-1);
  const program = last ? session.programAt(last.piece, last.bar) : null;
  const meters = bars.filter((bar, i) => String(bars[i - 1]?.meter) !== String(bar.meter));
  const tempos = bars.flatMap((bar) => bar.tempos.map(([tick, , qpm]) => ({ tick: Math.max(0, tick - from), qpm })));
  return {
    ticksPerQuarter: TICKS_PER_QUARTER,
    marker: MARKER + JSON.stringify(provenance(piece.message, session, program)),
    meters: meters.map((bar) => ({ tick: bar.tick - from, numerator: bar.meter[0], denominator: bar.meter[1] })),
    tempos: tempos.filter((tempo, i) => tempos[i - 1]?.qpm !== tempo.qpm),
    tracks: piece.message.voices.map((voice, i): FileTrack => {
      const notes = bars.flatMap((bar) => bar.notes.filter((note) => note.voice === i && note.time <= audible));
      return {
        name: voice.name,
        program: voice.drums ? voice.program : (program ?? voice.program),
        channel: midiChannel(i, voice.drums),
        notes: notes.map((note) => ({ ...note, tick: note.tick - from, duration: note.ticks })),
      };
    }),
  };
}

/** How the piece was made: with this, `playbach compose` makes it again (src/playbach/inference/recipes.py). The options
 *  are those at the beginning of the piece. */
function provenance({ piece, seed }: PieceMessage, session: Session, program: number | null): unknown {
  const { stream } = session;
  if (!stream) return {};
  const beginning = parameterValues((parameter) => session.parameterAt(parameter, piece, 0));
  const within = session.changes.filter((c) => c[0] === piece && (c[1] > 0 || c[2] === "length"));
  const instruments = session.instruments.filter(([number, bar]) => number === piece && bar > 0);
  return {
    model: stream.model, bundle: stream.bundle, ...(stream.runtime && { runtime: stream.runtime }), seed,
    options: { bars: stream.bars, ...givenValues(beginning) },
    changes: within.map(([, bar, parameter, value]) => [bar, parameter, value]),
    ...(program !== null && { program }),
    ...(instruments.length > 0 && { instruments: instruments.map(([, bar, to]) => [bar, to]) }),
  };
}
