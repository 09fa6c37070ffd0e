/* What is known of the current stream: its initial values, the changes since, and how to request it again after a pause,
   after a lost connection, or from a share link. */

import { changesFrom, parameterValues, valueAt, withChange, type ParameterValues } from "../music/parameter-changes";
import {
  WEB_RUNTIME, type ChangeRow, type ClientMessage, type LastingParameter, type StartMessage, type StreamMessage,
} from "../protocol/messages";
import { MOST_INSTRUMENTS, type InstrumentChange, type SharedMusic } from "./share-link";

/** What the listener chose. Null means the default: of the model, of the piece, or of the server. */
export interface Settings extends ParameterValues {
  readonly station: boolean;
  readonly model: string | null;
  readonly runtime: string | null;
  readonly seed: number | null;
  readonly program: number | null;
}

/** A bar of a piece. Null means its first bar. */
export interface Position {
  readonly piece: number;
  readonly bar: number | null;
}

/** What must be known of a stream to request it again. */
type StreamValues = Pick<StreamMessage, "kind" | "model" | "bundle" | "runtime" | "seed" | "bars" | LastingParameter> &
  Partial<Pick<StreamMessage, "runtime">>;

export class Session {
  stream: StreamValues | null = null;
  fields: readonly string[] = [];
  ahead = 0; // seconds
  changes: readonly ChangeRow[] = [];
  instruments: readonly InstrumentChange[] = [];
  /** Where to continue; null means at the beginning. */
  resumeAt: Position | null = null;

  constructor(public settings: Settings) {}

  /** A session that plays the music of a share link. */
  static fromLink(shared: SharedMusic, settings: Settings): Session {
    const session = new Session({
      ...settings, station: false, model: shared.model, runtime: shared.runtime, seed: shared.seed,
      ...parameterValues((parameter) => shared[parameter]), program: null,
    });
    session.stream = { kind: "own", ...shared, runtime: shared.runtime ?? "" };
    session.changes = shared.changes;
    session.instruments = shared.instruments;
    session.resumeAt = { piece: shared.piece, bar: null };
    return session;
  }

  /** The message that requests the stream on a new connection. */
  request(): ClientMessage {
    if (this.settings.station) return { type: "join" };
    const { stream, settings } = this;
    const values = stream ?? { ...settings, bars: null };
    const start: { type: "start" } & Record<string, unknown> = { type: "start" };
    const optional = {
      runtime: settings.runtime, model: values.model, seed: values.seed, bars: values.bars,
      ...parameterValues((parameter) => values[parameter]),
    };
    for (const [key, value] of Object.entries(optional)) if (value !== null) start[key] = value;
    if (stream && this.resumeAt) {
      start.piece = this.resumeAt.piece;
      if (this.resumeAt.bar !== null) start.bar = this.resumeAt.bar;
      start.changes = changesFrom(this.changes, this.resumeAt.piece);
    }
    return start satisfies StartMessage;
  }

  streamStarted(message: StreamMessage): void {
    const { program } = this.settings;
    if (!this.stream && program !== null) this.instruments = [[message.piece, 0, program]];
    this.stream = message;
    this.fields = message.fields;
    this.ahead = message.ahead;
    this.changes = message.changes;
  }

  addChange(change: ChangeRow): void {
    this.changes = withChange(this.changes, change);
  }

  /** Changes a parameter while nothing plays. The change takes effect where the music continues. */
  changeWhileStopped(parameter: LastingParameter, value: number | null): void {
    const { resumeAt } = this;
    if (this.stream?.kind === "own" && resumeAt) this.addChange([resumeAt.piece, resumeAt.bar ?? 0, parameter, value]);
  }

  /** Changes the instrument from a bar on. Later instrument changes of a share link are dropped. */
  setProgram(program: number | null, piece: number, bar: number): void {
    const earlier = this.instruments.filter((i) => i[0] < piece || (i[0] === piece && i[1] < bar));
    this.instruments = [...earlier, [piece, bar, program]];
  }

  programAt(piece: number, bar: number): number | null {
    return this.instruments.findLast((i) => i[0] < piece || (i[0] === piece && i[1] <= bar))?.[2] ?? null;
  }

  /** The value of a parameter in a bar. Null means the default: of the model or of the piece. */
  parameterAt(parameter: LastingParameter, piece: number, bar: number): number | null {
    const changed = valueAt(this.changes, parameter, piece, bar);
    return changed === undefined ? (this.stream?.[parameter] ?? null) : changed;
  }

  /** What a share link must hold to play the music again from a piece on. */
  share(piece: number): SharedMusic | null {
    const { stream } = this;
    if (!stream) return null;
    const { model, bundle, seed, bars } = stream;
    const values = parameterValues((parameter) => stream[parameter]);
    const later = this.instruments.filter((i) => i[0] > piece || (i[0] === piece && i[1] > 0));
    const first = this.programAt(piece, 0);
    const all: InstrumentChange[] = first === null ? later : [[piece, 0, first], ...later];
    const instruments = all.slice(0, MOST_INSTRUMENTS);
    const runtime = stream.runtime === WEB_RUNTIME ? WEB_RUNTIME : null;
    return { model, bundle, runtime, seed, bars, ...values, piece, changes: changesFrom(this.changes, piece), instruments };
  }
}
