/* A connection to an engine in this page, in place of one to the server. Until the engine is loaded, an opening can be heard:
   the first piece of a stream, which a published site holds composed. The engine then continues that stream. */

import type { MusicSource, SourceCallbacks } from "../protocol/connection";
import type { ClientMessage, ServerMessage, StartMessage } from "../protocol/messages";
import type { EngineWorker } from "./engine-worker";
import type { ToWorker } from "./worker";

/** Loads the messages of an opening; null: there is none. */
export type LoadOpening = () => Promise<readonly ServerMessage[] | null>;

const PATIENCE = 600; // milliseconds that the engine has to be ready before an opening is heard

export class LocalConnection implements MusicSource {
  private readonly post: (message: ToWorker) => void;
  private readonly early: ClientMessage[] = []; // sent before the engine was ready
  private start: StartMessage | null = null;
  private isReady = false;
  private ended = false;
  private openedAt = 0; // when the opening began, in seconds since the epoch; 0: none is heard

  constructor(
    engine: EngineWorker,
    private readonly callbacks: SourceCallbacks,
    private readonly loadOpening: LoadOpening,
  ) {
    this.post = engine.connect((message) => this.receive(message));
    const first = callbacks.firstMessage();
    if (first.type === "start") this.start = first;
    const timer = setTimeout(() => void this.open(), PATIENCE);
    engine.ready.then(
      () => this.begin(),
      (error: unknown) => this.fail(error instanceof Error ? error.message : String(error)),
    ).finally(() => clearTimeout(timer));
  }

  send(message: ClientMessage): void {
    if (this.isReady) this.post({ type: "message", message });
    else this.early.push(message);
  }

  close(): void {
    this.ended = true;
    this.post({ type: "stop" });
  }

  giveUp(): void {
    this.fail("the engine does not answer");
  }

  /** Sends an opening, if any stream will do. */
  private async open(): Promise<void> {
    if (!this.start || Object.keys(this.start).some((key) => key !== "type" && key !== "model")) return;
    const messages = await this.loadOpening().catch(() => null);
    const stream = messages?.[0];
    if (!messages || stream?.type !== "stream" || this.isReady || this.ended) return;
    this.start = { ...this.start, seed: stream.seed, bars: stream.bars };
    this.openedAt = (performance.timeOrigin + performance.now()) / 1000;
    for (const message of messages) this.receive(message);
  }

  private begin(): void {
    if (this.ended || !this.start) return;
    this.isReady = true;
    const message = { type: "message", message: this.start } as const;
    this.post(this.openedAt ? { ...message, continuation: { origin: this.openedAt, piecesKnown: 1 } } : message);
    for (const early of this.early.splice(0)) this.send(early);
  }

  private receive(message: ServerMessage): void {
    if (!this.ended) this.callbacks.onMessage(message);
  }

  private fail(reason: string): void {
    if (this.ended) return;
    this.close();
    this.callbacks.onDisconnect({ retryAfter: null, reason: `This device cannot compose: ${reason}. Reload the page.` });
  }
}
