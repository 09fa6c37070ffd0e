import { describe, expect, it } from "vitest";

import { midiChannel, writeMidi, type MidiFile } from "../../src/music/midi-file";

const file: MidiFile = {
  ticksPerQuarter: 480,
  marker: "playbach {}",
  tempos: [{ tick: 0, qpm: 80 }, { tick: 960, qpm: 60 }],
  meters: [{ tick: 0, numerator: 3, denominator: 4 }],
  tracks: [
    {
      name: "Alt",
      program: 52,
      channel: 0,
      notes: [{ tick: 0, duration: 480, pitch: 60, velocity: 70 }, { tick: 480, duration: 240, pitch: 60, velocity: 71 }],
    },
  ],
};

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");

describe("writeMidi", () => {
  it("writes a standard MIDI file, byte for byte", () => {
    expect(hex(writeMidi(file))).toBe(
      [
        "4d 54 68 64 00 00 00 06 00 01 00 02 01 e0", // MThd, format 1, two tracks, 480 ticks
        "4d 54 72 6b 00 00 00 2a", // MTrk, 42 bytes
        "00 ff 06 0b 70 6c 61 79 62 61 63 68 20 7b 7d", // marker
        "00 ff 58 04 03 02 18 08", // 3/4
        "00 ff 51 03 0b 71 b0", // 750,000 microseconds
        "87 40 ff 51 03 0f 42 40", // 960 ticks later 1,000,000
        "00 ff 2f 00",
        "4d 54 72 6b 00 00 00 20",
        "00 ff 03 03 41 6c 74", // Alt
        "00 c0 34",
        "00 90 3c 46",
        "83 60 80 3c 00", // ends before the next one begins
        "00 90 3c 47",
        "81 70 80 3c 00",
        "00 ff 2f 00",
      ].join(" "),
    );
  });

  it("writes high notes, long times and any name", () => {
    const notes = [{ tick: 1e6, duration: 0, pitch: 127, velocity: 127 }];
    const unusual = { ...file, marker: "", tracks: [{ name: "Flöte ♪", program: 0, channel: 13, notes }] };
    const written = writeMidi(unusual);
    expect(hex(written)).toContain(hex(new TextEncoder().encode("Flöte ♪")));
    expect(hex(written)).toContain("bd 84 40 9d 7f 7f 01 8d 7f 00"); // a note lasts one tick at least
  });

  it("puts drums, and nothing else, on the drum channel", () => {
    expect([midiChannel(0, true), midiChannel(20, true)]).toEqual([9, 9]);
    const channels = Array.from({ length: 40 }, (_, i) => midiChannel(i));
    expect(channels).not.toContain(9);
    expect(new Set(channels.slice(0, 15)).size).toBe(15);
    expect(Math.max(...channels)).toBe(15);
  });
});
