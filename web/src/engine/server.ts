/* Answers the messages of one listener as the server would, with an engine in the page (docs/radio-protocol.md). */

import { parameterValues, type ParameterValues } from "../music/parameter-changes";
import {
  DEFAULT_BARS, LASTING_PARAMETERS, WEB_RUNTIME, type ClientMessage, type ServerMessage, type StartMessage,
} from "../protocol/messages";
import { PACING } from "./defaults";
import { isChange, MessageEncoder } from "./messages";
import type { Engine } from "./model";
import { Programme } from "./programme";
import { PacedSession, type Clock } from "./session";
import { Stream } from "./stream";

/** How a stream begins of which the listener has the first pieces already. */
export interface Continuation {
  /** The clock's time at which the stream began. */
  readonly origin: number;
  /** Their number. They are sent again only where a change affects them. */
  readonly piecesKnown: number;
}

const DRAWN_SEEDS = 2 ** 31;

export class LocalServer {
  private session: PacedSession | null = null;

  constructor(
    private readonly engine: Engine,
    private readonly clock: Clock,
    private readonly send: (message: ServerMessage) => void,
  ) {}

  receive(message: ClientMessage, continuation?: Continuation): void {
    switch (message.type) {
      case "start":
        this.start(message, continuation);
        break;
      case "set":
        for (const name of LASTING_PARAMETERS) {
          const value = message[name];
          if (value !== undefined) this.session?.change(name, value);
        }
        break;
      case "next":
        this.session?.nextPiece();
        break;
      case "join":
        this.send({ type: "error", reason: "this page has no station" });
        break;
    }
  }

  stop(): void {
    this.session?.stop();
    this.session = null;
  }

  private start(message: StartMessage, continuation?: Continuation): void {
    this.stop();
    const { about } = this.engine;
    const values: ParameterValues = parameterValues((name) => message[name] ?? null);
    const seed = message.seed ?? Math.floor(Math.random() * DRAWN_SEEDS);
    const bars = message.bars ?? DEFAULT_BARS;
    const changes = message.changes ?? [];
    const programme = new Programme(this.engine, { seed, bars, ...values }, changes, message.piece ?? 0, message.bar ?? 0);
    const stream = new Stream(programme, about.temperature);
    let piecesKnown = continuation?.piecesKnown ?? 0;
    if (!continuation) this.send({
      type: "stream", kind: "own", model: about.name, bundle: about.bundle, runtime: WEB_RUNTIME, seed, bars, ...values,
      changes, piece: message.piece ?? 0, ahead: PACING.ahead, fields: about.fields.map((field) => field.name),
    });
    const encoder = new MessageEncoder();
    const session = new PacedSession(stream, this.clock, (item) => {
      if (isChange(item)) piecesKnown = 0;
      else if (item.bar.piece < piecesKnown) return;
      for (const answer of encoder.encode(item, session.now)) this.send(answer);
    });
    this.session = session;
    session.start(continuation?.origin);
  }
}
