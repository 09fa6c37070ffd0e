import { describe, expect, it } from "vitest";

import { silentWave } from "../../src/page/lock-screen";

describe("the silence that plays along", () => {
  it("is a WAV file whose samples are all the middle", () => {
    const bytes = new Uint8Array(silentWave(10));
    const view = new DataView(bytes.buffer);
    const text = (at: number, length: number): string => String.fromCharCode(...bytes.slice(at, at + length));
    expect([text(0, 4), text(8, 8), text(36, 4)]).toEqual(["RIFF", "WAVEfmt ", "data"]);
    expect([view.getUint32(4, true), view.getUint32(40, true)]).toEqual([bytes.length - 8, bytes.length - 44]);
    expect([view.getUint16(20, true), view.getUint16(22, true), view.getUint32(24, true), view.getUint16(34, true)])
      .toEqual([1, 1, 8000, 8]);
    expect(bytes.slice(44).every((sample) => sample === 128)).toBe(true);
    expect((bytes.length - 44) / 8000).toBe(10);
  });
});
