/* A synthesiser in an AudioWorklet. It renders on the browser's audio thread, so a busy main thread causes no gaps. */

import { WorkletSynthesizer } from "spessasynth_lib";
import processor from "spessasynth_lib/dist/spessasynth_processor.min.js?url";

import type { Synth } from "./synth";

export class WorkletSynth implements Synth {
  readonly renderer = "AudioWorklet";

  private constructor(private readonly synth: WorkletSynthesizer) {}

  static async create(context: AudioContext, output: AudioNode, soundFont: ArrayBuffer): Promise<WorkletSynth> {
    await context.audioWorklet.addModule(new URL(processor, document.baseURI));
    const synth = new WorkletSynthesizer(context, { eventsEnabled: false });
    await synth.soundBankManager.addSoundBank(soundFont, "main");
    await synth.isReady;
    synth.connect(output);
    return new WorkletSynth(synth);
  }

  noteOn(channel: number, pitch: number, velocity: number, time: number): void {
    this.synth.noteOn(channel, pitch, velocity, { time });
  }

  noteOff(channel: number, pitch: number, time: number): void {
    this.synth.noteOff(channel, pitch, { time });
  }

  programChange(channel: number, program: number, time: number): void {
    this.synth.programChange(channel, program, { time });
  }

  silence(): void {
    this.synth.stopAll(false);
  }

  renderAhead(): void {
    // The audio thread does this by itself.
  }
}
