/* Checks every message from the server, so that a server of another version leads to a clear error. */

import { isObject, ProtocolError } from "./checks";
import { MESSAGE_CHECKS } from "./message-checks";
import type { ServerMessage } from "./messages";

/** Parses and checks a message. Unknown keys are allowed.
 *  @throws ProtocolError if the message is malformed or of an unknown type. */
export function parseMessage(text: string): ServerMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("the message is not JSON");
  }
  if (!isObject(value)) throw new ProtocolError("the message is not an object");
  if (!isKnown(value.type)) throw new ProtocolError(`unknown message type ${JSON.stringify(value.type)}`);
  MESSAGE_CHECKS[value.type](value, "the message");
  return value as unknown as ServerMessage;
}

function isKnown(type: unknown): type is ServerMessage["type"] {
  return typeof type === "string" && Object.hasOwn(MESSAGE_CHECKS, type);
}
