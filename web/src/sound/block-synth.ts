/* A synthesiser for browsers without an AudioWorklet, which they lack on plain HTTP except at localhost. It renders blocks of
   samples on the main thread, ahead of time, and schedules each of them to start where the one before ends. */

import { SoundBankLoader, SpessaSynthProcessor } from "spessasynth_core";

import type { Synth } from "./synth";

const BLOCK = 1024; // samples, 23 ms
const QUANTUM = 128; // samples: the resolution of note times
const FIRST_BLOCK_DELAY = 0.03; // seconds

export class BlockSynth implements Synth {
  readonly renderer = "main thread";
  private nextFrame = -1; // of the audio clock, at which the next block starts; -1 before the first note

  private constructor(
    private readonly context: AudioContext,
    private readonly output: AudioNode,
    private readonly synth: SpessaSynthProcessor,
  ) {}

  static async create(context: AudioContext, output: AudioNode, soundFont: ArrayBuffer): Promise<BlockSynth> {
    const synth = new SpessaSynthProcessor(context.sampleRate, { maxBufferSize: QUANTUM, eventsEnabled: false });
    await synth.processorInitialized;
    synth.soundBankManager.addSoundBank(SoundBankLoader.fromArrayBuffer(soundFont), "main");
    return new BlockSynth(context, output, synth);
  }

  noteOn(channel: number, pitch: number, velocity: number, time: number): void {
    this.send([0x90 | channel, pitch, velocity], time);
  }

  noteOff(channel: number, pitch: number, time: number): void {
    this.send([0x80 | channel, pitch, 0], time);
  }

  programChange(channel: number, program: number, time: number): void {
    this.send([0xc0 | channel, program], time);
  }

  silence(): void {
    this.synth.stopAllChannels(false);
  }

  renderAhead(seconds: number): void {
    if (this.nextFrame < 0 || this.context.state !== "running") return;
    const now = this.context.currentTime * this.context.sampleRate;
    // The page was suspended, on a sleeping phone for example: continue from now.
    if (this.nextFrame < now) this.nextFrame = Math.ceil(now) + QUANTUM;
    const until = now + seconds * this.context.sampleRate;
    while (this.nextFrame < until) this.renderBlock();
  }

  private send(message: number[], time: number): void {
    if (this.nextFrame < 0) this.nextFrame = Math.ceil((this.context.currentTime + FIRST_BLOCK_DELAY) * this.context.sampleRate);
    const delay = time - this.nextFrame / this.context.sampleRate;
    this.synth.processMessage(message, 0, { time: this.synth.currentTime + delay });
  }

  private renderBlock(): void {
    const rate = this.context.sampleRate;
    const buffer = this.context.createBuffer(2, BLOCK, rate);
    const [left, right] = [buffer.getChannelData(0), buffer.getChannelData(1)];
    for (let start = 0; start < BLOCK; start += QUANTUM) this.synth.process(left, right, start, QUANTUM);
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.output);
    source.start(this.nextFrame / rate);
    this.nextFrame += BLOCK;
  }
}
