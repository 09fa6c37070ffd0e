/* The names of voices as listeners see them, each different from the others. */

import type { Voice } from "../protocol/messages";

export function voiceLabels(voices: readonly Pick<Voice, "name">[]): string[] {
  const names = voices.map((voice, i) => voice.name || `Voice ${i + 1}`);
  return names.map((name, i) => {
    const before = names.slice(0, i).filter((other) => other === name).length;
    return before ? `${name} ${before + 1}` : name;
  });
}
