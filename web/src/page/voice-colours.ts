/* The colours of voices. style.css defines them, as --voice-0 to --voice-7. */

export const VOICE_COLOURS = 8;

/** The CSS class that gives an element the colour of a voice. */
export function voiceClass(voice: number): string {
  return `voice-${voice % VOICE_COLOURS}`;
}
