/* The messages between the page and the synthesiser on the audio thread. */

export const PROCESSOR_NAME = "playbach-synth";

export type ToProcessor =
  | { readonly type: "part"; readonly name: string; readonly soundFont: ArrayBuffer }
  | { readonly type: "midi"; readonly message: readonly number[]; readonly time: number }
  | { readonly type: "silence" };

/** A part was added, or could not be. */
export interface FromProcessor {
  readonly name: string;
  readonly error: string | null;
}
