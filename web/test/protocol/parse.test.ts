import { describe, expect, it } from "vitest";

import { parse, ProtocolError } from "../../src/protocol/parse";
import { bar, held, note, piece, stream } from "../sample-messages";

const messages = [
  stream({ changes: [[0, 5, "temperature", 1.2], [1, 0, "tempo", null]] }),
  piece(0),
  bar(1, { held: [held()] }),
  bar(2, { notes: [note({ chosen: [] })] }),
  { type: "end", piece: 0, at: 48.9, next: 50.4 },
  { type: "change", change: [0, 5, "length", 8] },
  { type: "error", reason: "temperature must lie between 0 and 4" },
];

describe("parse", () => {
  it.each(messages)("takes $type", (message) => {
    expect(parse(JSON.stringify(message))).toEqual(message);
  });

  it("takes keys that it does not know, of a newer server", () => {
    expect(parse(JSON.stringify({ ...piece(3), mood: "solemn" }))).toMatchObject({ piece: 3 });
  });

  it.each(messages)("takes no $type that lacks a key", (message) => {
    for (const key of Object.keys(message)) {
      const { [key as "type"]: _, ...rest } = message;
      if (["velocities"].includes(key)) continue;
      expect(() => parse(JSON.stringify(rest)), key).toThrow(ProtocolError);
    }
  });

  it.each(messages)("takes no $type in which a value is of another kind", (message) => {
    for (const key of Object.keys(message)) {
      const foreign = JSON.stringify({ ...message, [key]: { strange: true } });
      expect(() => parse(foreign), key).toThrow(ProtocolError);
    }
  });

  it.each(["", "null", "[]", "3", '"bar"', "{}", '{"type": "constructor"}', '{"type": "toString"}', "{"])(
    "takes no %j",
    (text) => {
      expect(() => parse(text)).toThrow(ProtocolError);
    },
  );

  it("looks into notes, choices and changes", () => {
    const inBar = (n: object): string => JSON.stringify(bar(1, { notes: [n as never] }));
    expect(() => parse(inBar({ ...note(), pitch: "67" }))).toThrow(ProtocolError);
    expect(() => parse(inBar({ ...note(), chosen: [["67", "0.8", []]] }))).toThrow(ProtocolError);
    expect(() => parse(inBar({ ...note(), chosen: [["67", 0.8, [["69"]]]] }))).toThrow(ProtocolError);
    const change = (c: unknown): string => JSON.stringify({ type: "change", change: c });
    expect(() => parse(change([0, 5, "volume", 1]))).toThrow(ProtocolError);
    expect(() => parse(change([0, 5, "tempo"]))).toThrow(ProtocolError);
    expect(() => parse(change([0.5, 5, "tempo", 80]))).toThrow(ProtocolError);
  });
});
