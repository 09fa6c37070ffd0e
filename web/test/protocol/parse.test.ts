import { describe, expect, it } from "vitest";

import { ProtocolError } from "../../src/protocol/checks";
import type { ServerMessage } from "../../src/protocol/messages";
import { parseMessage } from "../../src/protocol/parse";
import { barMessage, heldNote, pieceMessage, streamMessage, wireNote } from "../sample-messages";
import samples from "./samples.json";

const messages = [
  streamMessage({ changes: [[0, 5, "temperature", 1.2], [1, 0, "tempo", null]] }),
  pieceMessage(0),
  barMessage(1, { held: [heldNote()] }),
  barMessage(2, { notes: [wireNote({ chosen: [] })] }),
  { type: "end", piece: 0, at: 48.9, next: 50.4 },
  { type: "change", change: [0, 5, "length", 8] },
  { type: "error", reason: "temperature must be between 0 and 4" },
];

describe("parseMessage", () => {
  it.each(messages)("accepts $type", (message) => {
    expect(parseMessage(JSON.stringify(message))).toEqual(message);
  });

  it("accepts unknown keys, of a newer server", () => {
    expect(parseMessage(JSON.stringify({ ...pieceMessage(3), mood: "solemn" }))).toMatchObject({ piece: 3 });
  });

  it.each(messages)("rejects $type without one of its keys", (message) => {
    for (const key of Object.keys(message)) {
      const rest = Object.fromEntries(Object.entries(message).filter(([name]) => name !== key));
      expect(() => parseMessage(JSON.stringify(rest)), key).toThrow(ProtocolError);
    }
  });

  it.each(messages)("rejects $type with a value of another type", (message) => {
    for (const key of Object.keys(message)) {
      const foreign = JSON.stringify({ ...message, [key]: { strange: true } });
      expect(() => parseMessage(foreign), key).toThrow(ProtocolError);
    }
  });

  it.each(["", "null", "[]", "3", '"bar"', "{}", '{"type": "constructor"}', '{"type": "toString"}', "{"])(
    "rejects %j",
    (text) => {
      expect(() => parseMessage(text)).toThrow(ProtocolError);
    },
  );

  it("says what is wrong", () => {
    const inBar = (n: object): string => JSON.stringify(barMessage(1, { notes: [n as never] }));
    expect(() => parseMessage(inBar({ ...wireNote(), pitch: "67" }))).toThrow('pitch: expected a whole number, got "67"');
    const change = (c: unknown): string => JSON.stringify({ type: "change", change: c });
    expect(() => parseMessage(change([0, 5, "tempo"]))).toThrow("change: expected a list of 4");
    expect(() => parseMessage(change([0, 5, "volume", 1]))).toThrow("change: expected temperature or tempo or ");
    expect(() => parseMessage('{"type": "error"}')).toThrow("reason: expected a string, got nothing");
    expect(() => parseMessage('{"type": "later"}')).toThrow('unknown message type "later"');
  });
});

/** A value put into a message at a path; without a value, the key is removed. */
type Change = readonly [path: readonly (string | number)[], value?: unknown];

function changed(example: unknown, [path, ...value]: Change): unknown {
  const message = structuredClone(example);
  let parent = message as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) parent = parent[key] as Record<string | number, unknown>;
  const last = path.at(-1) ?? "";
  if (value.length) parent[last] = value[0];
  else Reflect.deleteProperty(parent, last);
  return message;
}

// The server's description of its messages (server/protocol.py), as examples.
describe.each(samples as unknown as { example: ServerMessage; accepted: Change[]; rejected: Change[] }[])(
  "an example of $example.type",
  ({ example, accepted, rejected }) => {
    it("is accepted", () => {
      expect(parseMessage(JSON.stringify(example))).toEqual(example);
    });

    it("is accepted with each other value", () => {
      for (const change of accepted) {
        const message = changed(example, change);
        expect(parseMessage(JSON.stringify(message)), JSON.stringify(change)).toEqual(message);
      }
    });

    it("is rejected with each wrong value", () => {
      expect(rejected).not.toHaveLength(0);
      for (const change of rejected) {
        const text = JSON.stringify(changed(example, change));
        expect(() => parseMessage(text), JSON.stringify(change)).toThrow(ProtocolError);
      }
    });
  },
);
