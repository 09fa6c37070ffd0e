import { describe, expect, it } from "vitest";

import { StreamClock } from "../../src/music/stream-clock";

describe("StreamClock", () => {
  it("converts to audio time and back", () => {
    const clock = new StreamClock();
    expect(clock.aligned).toBe(false);
    clock.align(12.5, 100);
    expect(clock.aligned).toBe(true);
    expect(clock.toAudio(13)).toBe(100.5);
    expect(clock.toStream(clock.toAudio(77.25))).toBeCloseTo(77.25);
  });

  it("ignores jitter, however late single bars arrive", () => {
    const clock = new StreamClock();
    clock.align(0, 10.2);
    for (let i = 0; i < 200; i++) clock.observe(i, 10 + i + (i % 7 === 0 ? 0 : 0.3 * ((i * 13) % 5)));
    expect(clock.correctDrift()).toBe(0);
    expect(clock.toAudio(0)).toBe(10.2);
  });

  it("corrects drift in either direction", () => {
    for (const rate of [1 + 3e-4, 1 - 3e-4]) {
      const clock = new StreamClock();
      clock.align(0, 10.2);
      for (let now = 0; now < 600; now += 3) clock.observe(now, 10 + now * rate + 0.01);
      const moved = clock.correctDrift();
      // The lag behind the server is again what it was at first, 0.2 s less the latency, within the drift of a dozen bars.
      const lag = clock.toAudio(600) - (10 + 600 * rate);
      expect(Math.sign(moved)).toBe(Math.sign(rate - 1));
      expect(Math.abs(lag - 0.2)).toBeLessThan(0.03);
    }
  });

  it("corrects no more at once than the silence between pieces allows", () => {
    const clock = new StreamClock();
    clock.align(0, 0.2);
    for (let now = 0; now < 60; now += 3) clock.observe(now, now);
    for (let now = 60; now < 120; now += 3) clock.observe(now, now + 5);
    expect(clock.correctDrift()).toBe(0.5);
    expect(clock.correctDrift()).toBe(0.5);
  });

  it("makes up for the delay of late bars between pieces", () => {
    const clock = new StreamClock();
    clock.align(0, 0.2);
    for (let now = 0; now < 60; now += 3) clock.observe(now, now);
    clock.delay(0.3);
    expect(clock.correctDrift()).toBeCloseTo(-0.3);
    expect(clock.toAudio(0)).toBeCloseTo(0.2);
  });
});
