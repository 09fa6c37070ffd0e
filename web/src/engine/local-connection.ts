/* A connection to an engine in a worker of this page, in place of one to the server. */

import type { MusicSource, SourceCallbacks } from "../protocol/connection";
import type { ClientMessage, ServerMessage } from "../protocol/messages";
import type { LoadedMessage, LoadMessage } from "./worker";

/** Where an engine and a model for it are. */
export interface EngineUrls {
  readonly code: URL;
  readonly model: URL;
}

export class LocalConnection implements MusicSource {
  private readonly worker: Worker;
  private ended = false;

  constructor(urls: EngineUrls, private readonly callbacks: SourceCallbacks) {
    this.worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }: MessageEvent<ServerMessage | LoadedMessage>) => this.receive(data);
    this.worker.onerror = () => this.fail("the engine could not be started");
    this.post({ type: "load", code: urls.code.href, model: urls.model.href });
  }

  send(message: ClientMessage): void {
    this.post(message);
  }

  close(): void {
    this.ended = true;
    this.worker.terminate();
  }

  giveUp(): void {
    this.fail("the engine does not answer");
  }

  private post(message: LoadMessage | ClientMessage): void {
    this.worker.postMessage(message);
  }

  private receive(message: ServerMessage | LoadedMessage): void {
    if (this.ended) return;
    if (message.type === "loaded") this.send(this.callbacks.firstMessage());
    else if (message.type === "failed") this.fail(message.reason);
    else this.callbacks.onMessage(message);
  }

  private fail(reason: string): void {
    if (this.ended) return;
    this.close();
    this.callbacks.onDisconnect({ retryAfter: null, reason: `This device cannot compose: ${reason}. Reload the page.` });
  }
}
