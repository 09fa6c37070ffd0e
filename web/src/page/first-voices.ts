/* Which instruments the first piece will need: those of the first model, or what the page's share link asks for. */

import { fromFragment, type SharedMusic } from "../playback/share-link";
import type { ModelInfo, Voice } from "../protocol/messages";

export function firstVoices(models: readonly ModelInfo[], fragment: string): readonly Pick<Voice, "program" | "drums">[] {
  const link = readLink(fragment);
  const voices = (models.find((model) => model.name === link?.model) ?? models[0])?.voices ?? [];
  const program = link?.instruments.findLast(([piece, bar]) => piece === link.piece && bar === 0)?.[2] ?? null;
  return program === null ? voices : voices.map((voice) => (voice.drums ? voice : { drums: false, program }));
}

/** Null for a link that cannot be read; the page says so when it reads it. */
function readLink(fragment: string): SharedMusic | null {
  try {
    return fromFragment(fragment);
  } catch {
    return null;
  }
}
