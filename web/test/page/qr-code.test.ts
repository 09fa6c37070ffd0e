import decodeQR from "qr/decode.js";
import { describe, expect, it } from "vitest";

import { outline, qrModules } from "../../src/page/qr-code";

/** The code as a picture, as a camera would see it. */
function picture(modules: readonly (readonly boolean[])[], scale = 4): { width: number; height: number; data: Uint8Array } {
  const size = modules.length * scale;
  const data = new Uint8Array(size * size * 4).fill(255);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      if (modules[Math.floor(y / scale)]?.[Math.floor(x / scale)]) data.fill(0, 4 * (y * size + x), 4 * (y * size + x) + 3);
    }
  }
  return { width: size, height: size, data };
}

describe("the QR code", () => {
  it.each([60, 200, 858])("of a link of %i characters holds the link", (length) => {
    const link = "https://radio.example/#check=1k6r9ma&model=b&changes=".padEnd(length, "1:5:tempo:85,");
    const modules = qrModules(link);
    expect(modules && decodeQR(picture(modules))).toBe(link);
  });

  it("is drawn as it is", () => {
    const modules = qrModules("https://radio.example/");
    const drawn = modules?.map((row) => row.map(() => false));
    for (const [, x, y, width] of outline(modules ?? []).matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)) {
      drawn?.[Number(y)]?.fill(true, Number(x), Number(x) + Number(width));
    }
    expect(drawn).toEqual(modules);
  });

  it("is left out where it would be too fine", () => {
    expect(qrModules("x".repeat(859))).toBeNull();
    expect(qrModules("ü".repeat(430))).toBeNull();
  });
});
