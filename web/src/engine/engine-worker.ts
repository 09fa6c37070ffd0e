/* A worker with an engine and a model: loaded once, and used by one connection at a time. */

import type { ServerMessage } from "../protocol/messages";
import type { FromWorker, ToWorker } from "./worker";

/** Where an engine and a model for it are. */
export interface EngineUrls {
  readonly code: URL;
  readonly model: URL;
}

export class EngineWorker {
  /** Rejected if the engine cannot be used. */
  readonly ready: Promise<void>;
  private readonly worker: Worker;
  private onMessage: (message: ServerMessage) => void = () => undefined;
  private use = 0; // counts the connections, so that answers to an earlier one are dropped

  constructor(urls: EngineUrls) {
    this.worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.ready = new Promise((resolve, reject) => {
      this.worker.onerror = () => reject(new Error("the engine could not be started"));
      this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
        if (data.type === "loaded") resolve();
        else if (data.type === "failed") reject(new Error(data.reason));
        else if (data.use === this.use) this.onMessage(data.message);
      };
    });
    this.ready.catch(() => undefined); // reported by the connection that needs the engine
    this.post({ type: "load", code: urls.code.href, model: urls.model.href });
  }

  /** Sends messages from now on to this function alone.
   *  @returns a function that sends to the engine. */
  connect(onMessage: (message: ServerMessage) => void): (message: ToWorker) => void {
    this.onMessage = onMessage;
    const use = ++this.use;
    return (message) => {
      if (use === this.use) this.post({ ...message, use });
    };
  }

  private post(message: ToWorker & { readonly use?: number }): void {
    this.worker.postMessage(message);
  }
}
