/* A synthesiser for browsers without an AudioWorklet, which they lack on plain HTTP except at localhost. It renders blocks of
   samples on the main thread, ahead of time, and schedules each of them to start where the one before ends. */

import { PartSynth, QUANTUM } from "./part-synth";
import { EXPRESSION, type EmptySynth } from "./synth";

const BLOCK = 1024; // samples, 23 ms
const FIRST_BLOCK_DELAY = 0.03; // seconds

export class BlockSynth implements EmptySynth {
  readonly renderer = "main thread";
  private readonly synth: PartSynth;
  private nextFrame = -1; // of the audio clock, at which the next block starts; -1 before the first note

  constructor(
    private readonly context: AudioContext,
    private readonly output: AudioNode,
  ) {
    this.synth = new PartSynth(context.sampleRate);
  }

  addPart(name: string, soundFont: ArrayBuffer): Promise<void> {
    return this.synth.addPart(name, soundFont);
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

  setMuted(channel: number, muted: boolean): void {
    this.send([0xb0 | channel, EXPRESSION, muted ? 0 : 127], 0);
  }

  silence(): void {
    this.synth.silence();
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
    this.synth.send(message, time);
  }

  private renderBlock(): void {
    const rate = this.context.sampleRate;
    const buffer = this.context.createBuffer(2, BLOCK, rate);
    const [left, right] = [buffer.getChannelData(0), buffer.getChannelData(1)];
    for (let start = 0; start < BLOCK; start += QUANTUM) {
      this.synth.render(left, right, start, (this.nextFrame + start) / rate);
    }
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.connect(this.output);
    source.start(this.nextFrame / rate);
    this.nextFrame += BLOCK;
  }
}
