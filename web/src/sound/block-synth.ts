/* Sound without an AudioWorklet: browsers have none on a plain-HTTP address other than localhost. Blocks are made on this
   thread, some of them ahead, and each is handed to the audio clock with its time, so they join without a seam. */

import { SoundBankLoader, SpessaSynthProcessor } from "spessasynth_core";

import type { Synth } from "./synth";

const BLOCK = 1024; // samples, 23 ms
const QUANTUM = 128; // samples: how exactly notes keep their times
const LEAD = 0.03; // seconds until the very first block

export class KeptAhead implements Synth {
  readonly way = "main thread";
  private nextFrame = -1; // of the audio clock, where the block to come begins; before the first note none

  private constructor(
    private readonly context: AudioContext,
    private readonly output: AudioNode,
    private readonly synth: SpessaSynthProcessor,
  ) {}

  static async create(context: AudioContext, output: AudioNode, soundFont: ArrayBuffer): Promise<KeptAhead> {
    const synth = new SpessaSynthProcessor(context.sampleRate, { maxBufferSize: QUANTUM, eventsEnabled: false });
    await synth.processorInitialized;
    synth.soundBankManager.addSoundBank(SoundBankLoader.fromArrayBuffer(soundFont), "main");
    return new KeptAhead(context, output, synth);
  }

  noteOn(channel: number, pitch: number, velocity: number, time: number): void {
    this.send([0x90 | channel, pitch, velocity], time);
  }

  noteOff(channel: number, pitch: number, time: number): void {
    this.send([0x80 | channel, pitch, 0], time);
  }

  program(channel: number, program: number, time: number): void {
    this.send([0xc0 | channel, program], time);
  }

  silence(): void {
    this.synth.stopAllChannels(false);
  }

  advance(ahead: number): void {
    if (this.nextFrame < 0 || this.context.state !== "running") return;
    const now = this.context.currentTime * this.context.sampleRate;
    // After a standstill, of a sleeping phone for example, go on from here.
    if (this.nextFrame < now) this.nextFrame = Math.ceil(now) + QUANTUM;
    const until = now + ahead * this.context.sampleRate;
    while (this.nextFrame < until) this.block();
  }

  private send(message: number[], time: number): void {
    if (this.nextFrame < 0) this.nextFrame = Math.ceil((this.context.currentTime + LEAD) * this.context.sampleRate);
    const later = time - this.nextFrame / this.context.sampleRate;
    this.synth.processMessage(message, 0, { time: this.synth.currentTime + later });
  }

  private block(): void {
    const rate = this.context.sampleRate;
    const buffer = this.context.createBuffer(2, BLOCK, rate);
    const [left, right] = [buffer.getChannelData(0), buffer.getChannelData(1)];
    for (let at = 0; at < BLOCK; at += QUANTUM) this.synth.process(left, right, at, QUANTUM);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.output);
    source.start(this.nextFrame / rate);
    this.nextFrame += BLOCK;
  }
}
