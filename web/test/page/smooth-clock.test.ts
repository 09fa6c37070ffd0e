import { describe, expect, it } from "vitest";

import { SmoothClock } from "../../src/page/smooth-clock";

describe("SmoothClock", () => {
  it("advances evenly while the audio clock advances in steps", () => {
    const smooth = new SmoothClock();
    const times = Array.from({ length: 600 }, (_, i) => smooth.at(Math.floor((i / 60) * 43) / 43, i / 60)).slice(60);
    const steps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    expect(Math.max(...steps)).toBeLessThan(1.1 / 60);
    expect(Math.min(...steps)).toBeGreaterThan(0.9 / 60);
    expect(Math.abs((times.at(-1) ?? 0) - 599 / 60)).toBeLessThan(0.03);
  });

  it("jumps when the music jumps", () => {
    const smooth = new SmoothClock();
    smooth.at(1, 1);
    expect(smooth.at(5, 1.016)).toBe(5);
  });
});
