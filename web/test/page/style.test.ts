import { readFileSync } from "node:fs";

import { describe, expect, it } from "vitest";

import { VOICE_COLOURS } from "../../src/page/voice-colours";

const css = readFileSync(new URL("../../src/page/style.css", import.meta.url), "utf8");
const voices = Array.from({ length: VOICE_COLOURS }, (_, i) => `voice-${i}`);

/** The colours of style.css: those of the first `:root`, and for the dark scheme those of the second one over them. */
function colours(scheme: "light" | "dark"): Record<string, string> {
  const roots = Array.from(css.matchAll(/:root \{([^}]*)\}/g), (found) => found[1] ?? "");
  expect(roots).toHaveLength(2);
  const text = scheme === "light" ? roots[0] : roots.join("");
  return Object.fromEntries(Array.from(text?.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g) ?? [], (found) => [found[1], found[2]])) as Record<string, string>;
}

/** The contrast of two colours, as WCAG 2 defines it. */
function contrast(one: string, other: string): number {
  const luminance = (colour: string): number => {
    const [r, g, b] = [1, 3, 5].map((at) => {
      const value = parseInt(colour.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * (r ?? 0) + 0.7152 * (g ?? 0) + 0.0722 * (b ?? 0);
  };
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05);
}

describe("contrast", () => {
  it("is computed as WCAG 2 defines it", () => {
    expect(contrast("#000000", "#ffffff")).toBeCloseTo(21, 5);
    expect(contrast("#767676", "#ffffff")).toBeCloseTo(4.54, 2);
  });

  it.each(["light", "dark"] as const)("of edges and voices is 3:1 in the %s scheme, and of text 4.5:1", (scheme) => {
    const found = colours(scheme);
    const of = (name: string, on: string): number => contrast(found[name] ?? "", found[on] ?? "");
    for (const on of ["paper", "raised", "key"]) {
      for (const name of ["edge", "playhead", ...voices]) expect(of(name, on), `${name} on ${on}`).toBeGreaterThanOrEqual(3);
    }
    for (const on of ["paper", "raised"]) {
      for (const name of ["ink", "soft"]) expect(of(name, on), `${name} on ${on}`).toBeGreaterThanOrEqual(4.5);
    }
  });
});
