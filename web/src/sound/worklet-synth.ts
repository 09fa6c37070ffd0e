/* Sound from an AudioWorklet: rendered on the browser's audio thread, whatever this thread is busy with. */

import { WorkletSynthesizer } from "spessasynth_lib";
import processor from "spessasynth_lib/dist/spessasynth_processor.min.js?url";

import type { Synth } from "./synth";

export class Worklet implements Synth {
  readonly way = "AudioWorklet";

  private constructor(private readonly synth: WorkletSynthesizer) {}

  static async create(context: AudioContext, output: AudioNode, soundFont: ArrayBuffer): Promise<Worklet> {
    await context.audioWorklet.addModule(new URL(processor, document.baseURI));
    const synth = new WorkletSynthesizer(context, { eventsEnabled: false });
    await synth.soundBankManager.addSoundBank(soundFont, "main");
    await synth.isReady;
    synth.connect(output);
    return new Worklet(synth);
  }

  noteOn(channel: number, pitch: number, velocity: number, time: number): void {
    this.synth.noteOn(channel, pitch, velocity, { time });
  }

  noteOff(channel: number, pitch: number, time: number): void {
    this.synth.noteOff(channel, pitch, { time });
  }

  program(channel: number, program: number, time: number): void {
    this.synth.programChange(channel, program, { time });
  }

  silence(): void {
    this.synth.stopAll(false);
  }

  advance(): void {
    // The audio thread goes on by itself.
  }
}
