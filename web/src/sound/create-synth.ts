/* Chooses the synthesiser: in an AudioWorklet where the browser has one (https and localhost), on the main thread otherwise
   (plain HTTP at any other address). Both play the same SoundFont with the same library. */

import { BlockSynth } from "./block-synth";
import type { Synth } from "./synth";
import { WorkletSynth } from "./worklet-synth";

export async function createSynth(context: AudioContext, output: AudioNode, soundFont: ArrayBuffer): Promise<Synth> {
  // Undefined on insecure origins, although its type does not allow that.
  const worklet = context.audioWorklet as AudioWorklet | undefined;
  return worklet
    ? WorkletSynth.create(context, output, soundFont)
    : BlockSynth.create(context, output, soundFont);
}
