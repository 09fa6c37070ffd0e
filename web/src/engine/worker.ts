/* The worker in which the page composes: loads the engine and its model, then answers the listener's messages. */

import type { ClientMessage, ServerMessage } from "../protocol/messages";
import { loadEngine } from "./load-engine";
import { LocalServer, type Continuation } from "./server";

/** To the worker: what to load first; then a listener's messages. */
export type ToWorker =
  | { readonly type: "load"; readonly code: string; readonly model: string }
  | { readonly type: "message"; readonly message: ClientMessage; readonly continuation?: Continuation }
  | { readonly type: "stop" };

/** From the worker. `use` is that of the message which it answers. */
export type FromWorker =
  | { readonly type: "loaded" }
  | { readonly type: "failed"; readonly reason: string }
  | { readonly type: "message"; readonly use: number; readonly message: ServerMessage };

// The time since an epoch, which the page and the worker share.
const clock = {
  now: () => (performance.timeOrigin + performance.now()) / 1000,
  after: (seconds: number, callback: () => void) => {
    const timer = setTimeout(callback, seconds * 1000);
    return () => clearTimeout(timer);
  },
};

const scope = self as unknown as { postMessage(message: FromWorker): void };
let server: LocalServer | null = null;
let use = 0;

self.onmessage = ({ data }: MessageEvent<ToWorker & { readonly use: number }>) => {
  if (data.type === "load") {
    void load(data.code, data.model);
    return;
  }
  use = data.use;
  if (data.type === "stop") server?.stop();
  else server?.receive(data.message, data.continuation);
};

async function load(code: string, model: string): Promise<void> {
  try {
    const send = (message: ServerMessage): void => scope.postMessage({ type: "message", use, message });
    server = new LocalServer(await loadEngine(code, model), clock, send);
    scope.postMessage({ type: "loaded" });
  } catch (error) {
    scope.postMessage({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
  }
}
