/* One WebSocket to the server: messages in and out, and when it is over, whether and when to try again.

   Knows nothing of what the messages mean. */

import type { ClientMessage, ServerMessage } from "./messages";
import { parse, ProtocolError } from "./parse";

export interface Lost {
  /** Seconds until another try makes sense; null where it never does. */
  readonly again: number | null;
  /** What the server said, or what is to be said of its silence. */
  readonly reason: string;
}

/** Close codes after which the server names a time, in seconds; others are a network's fault. */
const AGAIN: Record<number, number | null> = {
  1001: 2,
  1008: null,
  1009: null,
  1011: 10,
  1013: 10,
  4400: 1,
  4408: 2,
  4429: 10,
};

const REASONS: Record<number, string> = {
  1001: "The radio is restarting.",
  1008: "The server refused this.",
  1009: "The server refused this: too long.",
  1011: "The server stumbled.",
  1013: "The house is full.",
  4429: "Too many changes at once.",
};

const FIRST_BACK_OFF = 0.5;
const LONGEST_BACK_OFF = 15;

/** Seconds before try number `attempt`, from 0 on; `chance` 0 to 1 spreads a crowd that lost its server at one moment. */
export function backOff(attempt: number, chance: number): number {
  return Math.min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** attempt) * (0.75 + chance / 2);
}

export class Connection {
  private readonly socket: WebSocket;
  private over = false;
  private error = "";

  constructor(
    address: URL,
    first: () => ClientMessage,
    private readonly take: (message: ServerMessage) => void,
    private readonly lost: (lost: Lost) => void,
  ) {
    this.socket = new WebSocket(address);
    this.socket.onopen = () => this.send(first());
    this.socket.onmessage = (event) => this.receive(String(event.data));
    this.socket.onclose = (event) => this.end(event.code);
  }

  send(message: ClientMessage): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  /** Ends it from here; nothing more is heard of it. */
  close(): void {
    this.over = true;
    this.socket.close();
  }

  /** Ends it as lost: a connection that is silent for too long is none. */
  giveUp(): void {
    this.socket.close();
    this.end(1006);
  }

  private receive(text: string): void {
    if (this.over) return;
    try {
      const message = parse(text);
      if (message.type === "error") this.error = message.reason;
      else this.take(message);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.over = true;
      this.socket.close();
      this.lost({ again: null, reason: `This page does not understand its server (${error.message}). Reload it.` });
    }
  }

  private end(code: number): void {
    if (this.over) return;
    this.over = true;
    const reason = this.error ? sentence(this.error) : (REASONS[code] ?? "The connection is lost.");
    this.lost({ again: code in AGAIN ? (AGAIN[code] ?? null) : 0, reason });
  }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
