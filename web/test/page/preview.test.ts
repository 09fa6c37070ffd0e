import { describe, expect, it } from "vitest";

import { previewTimeline } from "../../src/page/preview";
import { PREVIEW_BARS } from "../../src/page/preview-music";

describe("the piece of the preview", () => {
  it("has four voices, and something to see at any time", () => {
    const { timeline, seconds } = previewTimeline();
    expect(seconds).toBeGreaterThan(15);
    for (let time = seconds; time < 2 * seconds; time += 0.5) {
      const voices = new Set(Array.from(timeline.notesBetween(time - 5, time + 2), ({ note }) => note.voice));
      expect(voices.size).toBe(4);
    }
  });

  it("is small", () => {
    expect(JSON.stringify(PREVIEW_BARS).length).toBeLessThan(4000);
  });
});
