/* Checks every message from the server, so that a server of another version leads to a clear error. */

import type { ParameterChange, ServerMessage } from "./messages";

export class ProtocolError extends Error {}

type JsonObject = Record<string, unknown>;

/** Parses and checks a message. Unknown keys are allowed.
 *  @throws ProtocolError if the message is malformed or of an unknown type. */
export function parseMessage(text: string): ServerMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("the message is not JSON");
  }
  const message = object(value, "message");
  const type = string(message, "type");
  const check = Object.hasOwn(CHECKS, type) ? CHECKS[type] : undefined;
  if (!check) throw new ProtocolError(`unknown message type ${JSON.stringify(type)}`);
  check(message);
  return value as ServerMessage;
}

const CHECKS: Record<string, (message: JsonObject) => void> = {
  stream(m) {
    const kind = string(m, "kind");
    if (kind !== "own" && kind !== "station") throw new ProtocolError(`unknown stream kind ${JSON.stringify(kind)}`);
    for (const key of ["model", "bundle", "runtime"]) string(m, key);
    for (const key of ["seed", "bars", "piece", "ahead"]) number(m, key);
    for (const key of ["temperature", "tempo"]) numberOrNull(m, key);
    list(m, "changes").forEach(parameterChange);
    list(m, "fields").forEach((field) => typed(field, "string", "fields"));
  },
  piece(m) {
    for (const key of ["piece", "seed", "bars", "at", "tempo"]) number(m, key);
    for (const voice of list(m, "voices")) {
      string(object(voice, "voice"), "name");
      number(object(voice, "voice"), "program");
    }
  },
  bar(m) {
    for (const key of ["piece", "bar", "at", "seconds", "tick", "ticks", "now", "temperature"]) number(m, key);
    typed(m.last, "boolean", "last");
    tuple(m.meter, 2, "meter");
    list(m, "tempos").forEach((tempo) => tuple(tempo, 3, "tempos"));
    for (const note of list(m, "notes").map((n) => object(n, "note"))) {
      timedPitch(note);
      number(note, "velocity");
      list(note, "chosen").forEach(choice);
    }
    for (const note of list(m, "held")) timedPitch(object(note, "held"));
  },
  end(m) {
    for (const key of ["piece", "at", "next"]) number(m, key);
  },
  change(m) {
    parameterChange(m.change);
  },
  error(m) {
    string(m, "reason");
  },
};

/** What a new note and a held note have in common. */
function timedPitch(note: JsonObject): void {
  for (const key of ["voice", "pitch", "tick", "ticks", "at", "seconds"]) number(note, key);
}

function choice(value: unknown): void {
  if (!Array.isArray(value) || value.length !== 3) {
    throw new ProtocolError("chosen: expected [symbol, probability, alternatives]");
  }
  typed(value[0], "string", "chosen");
  typed(value[1], "number", "chosen");
  if (!Array.isArray(value[2])) throw new ProtocolError("chosen: expected a list of alternatives");
  for (const other of value[2] as unknown[]) {
    if (!Array.isArray(other) || typeof other[0] !== "string" || typeof other[1] !== "number") {
      throw new ProtocolError("chosen: expected [symbol, probability] for each alternative");
    }
  }
}

function parameterChange(value: unknown): void {
  if (!isParameterChange(value)) throw new ProtocolError("change: expected [piece, bar, parameter, value]");
}

export function isParameterChange(value: unknown): value is ParameterChange {
  if (!Array.isArray(value) || value.length !== 4) return false;
  const [piece, bar, parameter, to] = value as unknown[];
  const known = parameter === "temperature" || parameter === "tempo" || parameter === "length";
  return known && Number.isInteger(piece) && Number.isInteger(bar) && (to === null || typeof to === "number");
}

function object(value: unknown, what: string): JsonObject {
  const plain = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!plain) throw new ProtocolError(`${what}: expected an object`);
  return value as JsonObject;
}

function typed(value: unknown, type: "string" | "number" | "boolean", what: string): void {
  if (typeof value !== type) throw new ProtocolError(`${what}: expected a ${type}, got ${typeof value}`);
}

function string(message: JsonObject, key: string): string {
  typed(message[key], "string", key);
  return message[key] as string;
}

function number(message: JsonObject, key: string): void {
  typed(message[key], "number", key);
}

function numberOrNull(message: JsonObject, key: string): void {
  if (message[key] !== null) number(message, key);
}

function list(message: JsonObject, key: string): unknown[] {
  const value = message[key];
  if (!Array.isArray(value)) throw new ProtocolError(`${key}: expected a list`);
  return value as unknown[];
}

function tuple(value: unknown, length: number, what: string): void {
  const fits = Array.isArray(value) && value.length === length && value.every((v) => typeof v === "number");
  if (!fits) throw new ProtocolError(`${what}: expected ${length} numbers`);
}
