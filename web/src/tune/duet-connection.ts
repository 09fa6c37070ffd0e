/* The WebSocket of a duet: sends steps, and hands the answers on. */

import { ProtocolError, isObject } from "../protocol/checks";
import { DUET_CHECKS } from "../protocol/message-checks";
import type { DuetAnswer, DuetBegin, DuetReady, DuetStep, ErrorMessage } from "../protocol/messages";
import { sentence } from "../protocol/reasons";

type DuetServerMessage = DuetReady | DuetAnswer | ErrorMessage;

export class DuetConnection {
  private readonly socket: WebSocket;
  private readonly waiting: (DuetBegin | DuetStep)[] = []; // until the socket is open
  private reason = "";
  private ended = false;

  /** `onEnd` is called once, with a sentence if the server or the network ended it. */
  constructor(
    url: URL,
    private readonly onAnswer: (answer: DuetAnswer) => void,
    private readonly onEnd: (reason: string) => void,
  ) {
    this.socket = new WebSocket(url);
    this.socket.onopen = () => {
      for (const message of this.waiting.splice(0)) this.socket.send(JSON.stringify(message));
    };
    this.socket.onmessage = (event) => this.receive(String(event.data));
    this.socket.onclose = () => this.end(this.reason ? this.reason : "The connection was lost.");
  }

  send(message: DuetBegin | DuetStep): void {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
    else if (this.socket.readyState === WebSocket.CONNECTING) this.waiting.push(message);
  }

  /** Closes the connection; nothing is called afterwards. */
  close(): void {
    this.ended = true;
    this.socket.close();
  }

  private receive(text: string): void {
    if (this.ended) return;
    try {
      const message = parse(text);
      if (message.type === "answer") this.onAnswer(message);
      else if (message.type === "error") this.reason = sentence(message.reason);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.socket.close();
      this.end(`This page does not match its server (${error.message}). Reload the page.`);
    }
  }

  private end(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    this.onEnd(reason);
  }
}

function parse(text: string): DuetServerMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("the message is not JSON");
  }
  if (!isObject(value) || typeof value.type !== "string") throw new ProtocolError("the message has no type");
  const check = Object.hasOwn(DUET_CHECKS, value.type) ? DUET_CHECKS[value.type] : undefined;
  if (!check) throw new ProtocolError(`unknown message type ${JSON.stringify(value.type)}`);
  check(value, "the message");
  return value as unknown as DuetServerMessage;
}
