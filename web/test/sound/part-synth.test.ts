import { BasicSoundBank } from "spessasynth_core";
import { describe, expect, it } from "vitest";

import { PartSynth, QUANTUM } from "../../src/sound/part-synth";
import { EXPRESSION } from "../../src/sound/synth";

const RATE = 44_100;
const NOTE_ON = [0x90, 60, 100];

/** A SoundFont of one preset, with another program if that is given. */
function soundFont(program = 0): ArrayBuffer {
  const bytes = new Uint8Array(BasicSoundBank.getSampleSoundBankFile().slice(0));
  const heads = Buffer.from(bytes.buffer).indexOf("phdr") + 8;
  bytes[heads + 20] = program;
  return bytes.buffer;
}

/** Renders some blocks from a block on; `before` is called before each. */
function render(synth: PartSynth, from: number, blocks: number, before: (block: number) => void = () => undefined): Float32Array {
  const [left, right] = [new Float32Array(blocks * QUANTUM), new Float32Array(blocks * QUANTUM)];
  for (let i = 0; i < blocks; i++) {
    before(from + i);
    synth.render(left, right, i * QUANTUM, ((from + i) * QUANTUM) / RATE);
  }
  return left;
}

const loudness = (samples: Float32Array): number => Math.max(...samples.map(Math.abs));

async function synthWithPart(): Promise<PartSynth> {
  const synth = new PartSynth(RATE);
  await synth.addPart("0", soundFont());
  return synth;
}

describe("PartSynth", () => {
  it("is silent without instruments, and plays once one is there", async () => {
    const synth = new PartSynth(RATE);
    synth.send(NOTE_ON, 0);
    expect(loudness(render(synth, 0, 20))).toBe(0);
    await synth.addPart("0", soundFont());
    synth.send([0xc0, 0], 0);
    synth.send(NOTE_ON, 0);
    expect(loudness(render(synth, 20, 40))).toBeGreaterThan(0.001);
  });

  it("plays each message in the block in which it is due", async () => {
    const synth = await synthWithPart();
    synth.send(NOTE_ON, (10 * QUANTUM) / RATE);
    expect(loudness(render(synth, 0, 10))).toBe(0);
    expect(loudness(render(synth, 10, 40))).toBeGreaterThan(0.001);
  });

  it("keeps the order of messages at the same time", async () => {
    const synth = await synthWithPart();
    synth.send(NOTE_ON, 1);
    synth.send([0x80, 60, 0], 1);
    synth.send([0xb0, EXPRESSION, 0], 0.5);
    synth.send([0xb0, EXPRESSION, 127], 0.5);
    expect(loudness(render(synth, 0, 400))).toBeGreaterThan(0);
  });

  it("discards what is scheduled when it is silenced", async () => {
    const synth = await synthWithPart();
    synth.send(NOTE_ON, (10 * QUANTUM) / RATE);
    synth.silence();
    expect(loudness(render(synth, 0, 60))).toBe(0);
  });

  it("goes on exactly as before when another instrument arrives", async () => {
    const [alone, joined] = [await synthWithPart(), await synthWithPart()];
    for (const synth of [alone, joined]) {
      synth.send([0xb1, EXPRESSION, 0], 0); // muted
      synth.send(NOTE_ON, 0);
      synth.send([0x91, 72, 100], 0);
    }
    expect(render(joined, 0, 40)).toEqual(render(alone, 0, 40));
    await joined.addPart("40", soundFont(40));
    for (const synth of [alone, joined]) synth.send([0x91, 76, 100], 0);
    const [after, expected] = [render(joined, 40, 60), render(alone, 40, 60)];
    expect(after).toEqual(expected);
    expect(loudness(after)).toBeGreaterThan(0.001);
  });

  it("refuses what is no SoundFont, and plays on", async () => {
    const synth = await synthWithPart();
    await expect(synth.addPart("1", new ArrayBuffer(100))).rejects.toThrow();
    synth.send(NOTE_ON, 0);
    expect(loudness(render(synth, 0, 40))).toBeGreaterThan(0.001);
  });
});
