/* Makes sound of notes that are given with their times on the audio clock. Two ways: an AudioWorklet where the browser has
   one (https and localhost), or else blocks rendered on this thread and scheduled one after the other (a plain-HTTP address
   in the house). Both play the same SoundFont with the same synthesiser.

   Knows nothing of where notes come from. */

import { KeptAhead } from "./block-synth";
import { Worklet } from "./worklet-synth";
import type { Synth } from "./synth";

export async function createSynth(context: AudioContext, output: AudioNode, soundFont: ArrayBuffer): Promise<Synth> {
  // Undefined on insecure origins, whatever the type says.
  const worklets = context.audioWorklet as AudioWorklet | undefined;
  return worklets ? Worklet.create(context, output, soundFont) : KeptAhead.create(context, output, soundFont);
}
