/* Chooses the synthesiser: in an AudioWorklet where the browser has one (https and localhost), on the main thread otherwise
   (plain HTTP at any other address). Both play with the same library, which is loaded only once: each is a file of its own. */

import type { EmptySynth } from "./synth";
import { WorkletSynth } from "./worklet-synth";

export async function createSynth(context: AudioContext, output: AudioNode): Promise<EmptySynth> {
  // Undefined on insecure origins, although its type does not allow that.
  const worklet = context.audioWorklet as AudioWorklet | undefined;
  if (worklet) return WorkletSynth.create(context, output);
  const { BlockSynth } = await import("./block-synth");
  return new BlockSynth(context, output);
}
