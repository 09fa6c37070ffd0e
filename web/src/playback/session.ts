/* What is known of the stream that is heard: with which values it began, what was turned since, and how to ask for it again,
   after a pause, after a lost connection, or from a link.

   Knows nothing of time, of sockets, or of the page. */

import { inForce, since, withChange } from "../music/parameter-changes";
import type { InstrumentChange, Shared } from "./share-link";
import type { Change, ClientMessage, StartMessage, StreamMessage } from "../protocol/messages";

/** What the listener asks for; null is the model's, the piece's, or the server's choice. */
export interface Wishes {
  readonly station: boolean;
  readonly model: string | null;
  readonly runtime: string | null;
  readonly seed: number | null;
  readonly temperature: number | null;
  readonly tempo: number | null;
  readonly program: number | null;
}

/** A bar, or with null the first one of a piece. */
export interface Place {
  readonly piece: number;
  readonly bar: number | null;
}

type Known = Pick<StreamMessage, "kind" | "model" | "bundle" | "seed" | "bars" | "temperature" | "tempo">;

export class Session {
  stream: Known | null = null;
  fields: readonly string[] = [];
  changes: readonly Change[] = [];
  instruments: readonly InstrumentChange[] = [];
  /** Where to go on; null is where it began. */
  resume: Place | null = null;

  constructor(public wishes: Wishes) {}

  /** What plays a link's music, from its piece on. */
  static of(shared: Shared, wishes: Wishes): Session {
    const session = new Session({
      ...wishes, station: false, model: shared.model, runtime: null, seed: shared.seed,
      temperature: shared.temperature, tempo: shared.tempo, program: null,
    });
    session.stream = { kind: "own", ...shared };
    session.changes = shared.changes;
    session.instruments = shared.instruments;
    session.resume = { piece: shared.piece, bar: null };
    return session;
  }

  /** The first thing to say on a new connection. */
  asking(): ClientMessage {
    if (this.wishes.station) return { type: "join" };
    const { stream, wishes } = this;
    const from = stream ?? { ...wishes, bars: null };
    const start: Record<string, unknown> = { type: "start" };
    const given = { runtime: wishes.runtime, model: from.model, seed: from.seed, bars: from.bars,
                    temperature: from.temperature, tempo: from.tempo };
    for (const [key, value] of Object.entries(given)) if (value !== null) start[key] = value;
    if (stream && this.resume) {
      start["piece"] = this.resume.piece;
      if (this.resume.bar !== null) start["bar"] = this.resume.bar;
      start["changes"] = since(this.changes, this.resume.piece);
    }
    return start as unknown as StartMessage;
  }

  begun(message: StreamMessage): void {
    if (!this.stream && this.wishes.program !== null) this.instruments = [[message.piece, 0, this.wishes.program]];
    this.stream = message;
    this.fields = message.fields;
    this.changes = message.changes;
  }

  record(change: Change): void {
    this.changes = withChange(this.changes, change);
  }

  /** A knob is turned while nothing plays: it holds from where the music will go on. */
  turnedAtRest(knob: "temperature" | "tempo", value: number | null): void {
    if (this.stream?.kind === "own" && this.resume) this.record([this.resume.piece, this.resume.bar ?? 0, knob, value]);
  }

  /** From a bar on the listener's own choice holds, whatever a link had in mind for later. */
  setProgram(program: number | null, piece: number, bar: number): void {
    const earlier = this.instruments.filter((i) => i[0] < piece || (i[0] === piece && i[1] < bar));
    this.instruments = [...earlier, [piece, bar, program]];
  }

  programAt(piece: number, bar: number): number | null {
    return this.instruments.findLast((i) => i[0] < piece || (i[0] === piece && i[1] <= bar))?.[2] ?? null;
  }

  /** What a knob stands at; null is the model's or the piece's own. */
  knob(name: "temperature" | "tempo", piece: number, bar: number): number | null {
    const turned = inForce(this.changes, name, piece, bar);
    return turned === undefined ? (this.stream?.[name] ?? null) : turned;
  }

  /** What plays this piece again, and all after it. */
  shared(piece: number): Shared | null {
    if (!this.stream) return null;
    const { model, bundle, seed, bars, temperature, tempo } = this.stream;
    const later = this.instruments.filter((i) => i[0] > piece || (i[0] === piece && i[1] > 0));
    const first = this.programAt(piece, 0);
    const instruments: InstrumentChange[] = first === null ? later : [[piece, 0, first], ...later];
    return { model, bundle, seed, bars, temperature, tempo, piece, changes: since(this.changes, piece), instruments };
  }
}
