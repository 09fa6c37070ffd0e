/* The worker in which the page composes: loads the engine and its model, then answers the listener's messages. */

import type { ClientMessage, ServerMessage } from "../protocol/messages";
import { Engine } from "./model";
import { LocalServer } from "./server";
import { unzipped } from "./unzipped";

/** The first message to the worker. */
export interface LoadMessage {
  readonly type: "load";
  /** URLs. */
  readonly code: string;
  readonly model: string;
}

/** The answer, once the engine is ready or cannot be used. */
export type LoadedMessage = { readonly type: "loaded" } | { readonly type: "failed"; readonly reason: string };

const clock = {
  now: () => performance.now() / 1000,
  after: (seconds: number, callback: () => void) => {
    const timer = setTimeout(callback, seconds * 1000);
    return () => clearTimeout(timer);
  },
};

const scope = self as unknown as { postMessage(message: ServerMessage | LoadedMessage): void };
let server: LocalServer | null = null;

self.onmessage = (event: MessageEvent<LoadMessage | ClientMessage>) => {
  const message = event.data;
  if (message.type === "load") void load(message);
  else server?.receive(message);
};

async function load({ code, model }: LoadMessage): Promise<void> {
  try {
    const [engine, file] = await Promise.all([fetchBytes(code), fetchBytes(model)]);
    server = new LocalServer(await Engine.create(engine, file), clock, (message) => scope.postMessage(message));
    scope.postMessage({ type: "loaded" });
  } catch (error) {
    scope.postMessage({ type: "failed", reason: error instanceof Error ? error.message : String(error) });
  }
}

async function fetchBytes(url: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return unzipped(new Uint8Array(await response.arrayBuffer()));
}
