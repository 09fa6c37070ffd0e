/* The check of every message that comes in. */

import type { Change, ServerMessage } from "./messages";

export class ProtocolError extends Error {}

type Plain = Record<string, unknown>;

/** A message, checked.
 *  @throws ProtocolError: it is not one that this page knows. */
export function parse(text: string): ServerMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ProtocolError("a message that is not JSON");
  }
  const message = object(value, "message");
  const type = string(message, "type");
  const check = Object.hasOwn(CHECKS, type) ? CHECKS[type] : undefined;
  if (!check) throw new ProtocolError(`a message of the unknown type ${JSON.stringify(type)}`);
  check(message);
  return value as ServerMessage;
}

const CHECKS: Record<string, (message: Plain) => void> = {
  stream(m) {
    if (m["kind"] !== "own" && m["kind"] !== "station") throw new ProtocolError("a stream of an unknown kind");
    for (const key of ["model", "bundle", "runtime"]) string(m, key);
    for (const key of ["seed", "bars", "piece", "ahead"]) number(m, key);
    for (const key of ["temperature", "tempo"]) numberOrNull(m, key);
    list(m, "changes").forEach(change);
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
    typed(m["last"], "boolean", "last");
    tuple(m["meter"], 2, "meter");
    list(m, "tempos").forEach((tempo) => tuple(tempo, 3, "tempos"));
    for (const note of list(m, "notes").map((n) => object(n, "note"))) {
      sounding(note);
      number(note, "velocity");
      list(note, "chosen").forEach(choice);
    }
    for (const note of list(m, "held")) sounding(object(note, "held"));
  },
  end(m) {
    for (const key of ["piece", "at", "next"]) number(m, key);
  },
  change(m) {
    change(m["change"]);
  },
  error(m) {
    string(m, "reason");
  },
};

function sounding(note: Plain): void {
  for (const key of ["voice", "pitch", "tick", "ticks", "at", "seconds"]) number(note, key);
}

function choice(value: unknown): void {
  if (!Array.isArray(value) || value.length !== 3) throw new ProtocolError("a choice that is none");
  typed(value[0], "string", "chosen");
  typed(value[1], "number", "chosen");
  if (!Array.isArray(value[2])) throw new ProtocolError("a choice without its others");
  for (const other of value[2] as unknown[]) {
    if (!Array.isArray(other) || typeof other[0] !== "string" || typeof other[1] !== "number") {
      throw new ProtocolError("a choice among others that are none");
    }
  }
}

function change(value: unknown): void {
  if (!isChange(value)) throw new ProtocolError("a change that is none");
}

export function isChange(value: unknown): value is Change {
  if (!Array.isArray(value) || value.length !== 4) return false;
  const [piece, bar, knob, to] = value as unknown[];
  const known = knob === "temperature" || knob === "tempo" || knob === "length";
  return known && Number.isInteger(piece) && Number.isInteger(bar) && (to === null || typeof to === "number");
}

function object(value: unknown, what: string): Plain {
  const plain = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!plain) throw new ProtocolError(`${what}: not an object`);
  return value as Plain;
}

function typed(value: unknown, type: "string" | "number" | "boolean", what: string): void {
  if (typeof value !== type) throw new ProtocolError(`${what}: expected a ${type}, got ${typeof value}`);
}

function string(message: Plain, key: string): string {
  typed(message[key], "string", key);
  return message[key] as string;
}

function number(message: Plain, key: string): void {
  typed(message[key], "number", key);
}

function numberOrNull(message: Plain, key: string): void {
  if (message[key] !== null) number(message, key);
}

function list(message: Plain, key: string): unknown[] {
  const value = message[key];
  if (!Array.isArray(value)) throw new ProtocolError(`${key}: expected a list`);
  return value as unknown[];
}

function tuple(value: unknown, length: number, what: string): void {
  const fits = Array.isArray(value) && value.length === length && value.every((v) => typeof v === "number");
  if (!fits) throw new ProtocolError(`${what}: expected ${length} numbers`);
}
