/* Makes sound of notes that are given with their times on the audio clock. Two ways: an AudioWorklet where the browser has
   one (https and localhost), or else blocks rendered on this thread and scheduled one after the other (a plain-HTTP address
   in the house). Both play the same SoundFont with the same synthesiser.

   Knows nothing of where notes come from. */

import { KeptAhead } from "./synth-blocks";
import { Worklet } from "./synth-worklet";

export interface Synth {
  /** How the sound is made, for people who want to know. */
  readonly way: "AudioWorklet" | "main thread";
  /** Times are seconds of the audio context's clock; what lies in the past sounds at once. */
  noteOn(channel: number, pitch: number, velocity: number, time: number): void;
  noteOff(channel: number, pitch: number, time: number): void;
  program(channel: number, program: number, time: number): void;
  /** Ends all notes now, and forgets those that were to come. */
  silence(): void;
  /** To be called some 20 times a second, with the seconds of sound that must be ready. All notes until then are known. */
  advance(ahead: number): void;
}

export async function createSynth(context: AudioContext, output: AudioNode, soundFont: ArrayBuffer): Promise<Synth> {
  // Undefined on insecure origins, whatever the type says.
  const worklets = context.audioWorklet as AudioWorklet | undefined;
  return worklets ? Worklet.create(context, output, soundFont) : KeptAhead.create(context, output, soundFont);
}
