/* One WebSocket connection to the server: sends and receives messages, and reports why it ended and when to retry. */

import { ProtocolError } from "./checks";
import type { ClientMessage, ServerMessage } from "./messages";
import { parseMessage } from "./parse";
import { sentence } from "./reasons";

export interface Disconnection {
  /** Seconds to wait before the next attempt, at least; null if retrying is pointless. */
  readonly retryAfter: number | null;
  /** A sentence for the listener. */
  readonly reason: string;
}

/** What a source of music calls. */
export interface SourceCallbacks {
  /** The message that requests the music, when the source is ready. */
  firstMessage(): ClientMessage;
  onMessage(message: ServerMessage): void;
  onDisconnect(disconnection: Disconnection): void;
}

/** Where music comes from: the server, or an engine in the page. */
export interface MusicSource {
  send(message: ClientMessage): void;
  /** Ends it; no callback is called afterwards. */
  close(): void;
  /** Treats a source that has been silent for too long as lost. */
  giveUp(): void;
}

/** `retryAfter` of each close code that the server sends. After any other code, of a network failure, it is 0. */
const RETRY_AFTER: Record<number, number | null> = {
  1001: 2,
  1008: null,
  1009: null,
  1011: 10,
  1012: 2,
  1013: 10,
  4400: 1,
  4408: 2,
  4429: 10,
};

const CLOSE_REASONS: Record<number, string> = {
  1001: "The server is restarting.",
  1008: "The server rejected the request.",
  1009: "The request was too large for the server.",
  1011: "The server had an internal error.",
  1012: "The server is restarting.",
  1013: "The server is full.",
  4429: "Too many changes in a short time.",
};

const NETWORK_FAILURE = 1006;
const FIRST_BACK_OFF = 0.5; // seconds
const LONGEST_BACK_OFF = 15; // seconds

/** Seconds to wait before a retry. `attempt` counts from 0; `random`, 0 to 1, spreads the retries of many listeners. */
export function backOff(attempt: number, random: number): number {
  return Math.min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** attempt) * (0.75 + random / 2);
}

export class Connection implements MusicSource {
  private readonly socket: WebSocket;
  private ended = false;
  private serverError = "";

  constructor(url: URL, private readonly callbacks: SourceCallbacks) {
    this.socket = new WebSocket(url);
    this.socket.onopen = () => this.send(callbacks.firstMessage());
    this.socket.onmessage = (event) => this.receive(String(event.data));
    this.socket.onclose = (event) => this.end(event.code);
  }

  send(message: ClientMessage): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  close(): void {
    this.ended = true;
    this.socket.close();
  }

  giveUp(): void {
    this.socket.close();
    this.end(NETWORK_FAILURE);
  }

  private receive(text: string): void {
    if (this.ended) return;
    try {
      const message = parseMessage(text);
      if (message.type === "error") this.serverError = message.reason;
      else this.callbacks.onMessage(message);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.ended = true;
      this.socket.close();
      const reason = `This page does not match its server (${error.message}). Reload the page.`;
      this.callbacks.onDisconnect({ retryAfter: null, reason });
    }
  }

  private end(code: number): void {
    if (this.ended) return;
    this.ended = true;
    this.callbacks.onDisconnect(disconnection(code, this.serverError));
  }
}

/** What a close code means, with the reason that the server gave before it, if it did. */
export function disconnection(code: number, serverError = ""): Disconnection {
  const reason = serverError ? sentence(serverError) : (CLOSE_REASONS[code] ?? "The connection was lost.");
  return { retryAfter: code in RETRY_AFTER ? (RETRY_AFTER[code] ?? null) : 0, reason };
}
