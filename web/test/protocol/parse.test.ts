import { describe, expect, it } from "vitest";

import { parseMessage, ProtocolError } from "../../src/protocol/parse";
import { barMessage, heldNote, pieceMessage, streamMessage, wireNote } from "../sample-messages";

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

  it("checks notes, choices and changes", () => {
    const inBar = (n: object): string => JSON.stringify(barMessage(1, { notes: [n as never] }));
    expect(() => parseMessage(inBar({ ...wireNote(), pitch: "67" }))).toThrow(ProtocolError);
    expect(() => parseMessage(inBar({ ...wireNote(), chosen: [["67", "0.8", []]] }))).toThrow(ProtocolError);
    expect(() => parseMessage(inBar({ ...wireNote(), chosen: [["67", 0.8, [["69"]]]] }))).toThrow(ProtocolError);
    const change = (c: unknown): string => JSON.stringify({ type: "change", change: c });
    expect(() => parseMessage(change([0, 5, "volume", 1]))).toThrow(ProtocolError);
    expect(() => parseMessage(change([0, 5, "tempo"]))).toThrow(ProtocolError);
    expect(() => parseMessage(change([0.5, 5, "tempo", 80]))).toThrow(ProtocolError);
  });
});
