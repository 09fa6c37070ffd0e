/* The instruments: `index.json`, which says which there are, and their files, each a SoundFont packed with gzip. */

/** A file with one of General MIDI's programs, or with a drum kit. */
export interface Part {
  readonly file: string;
  readonly program: number;
  readonly drums: boolean;
  readonly name: string;
}

/** Who made the sounds, and on which terms they may be used. Unknown values are empty. */
export interface FontInfo {
  readonly name: string;
  readonly author: string;
  readonly terms: string;
  readonly termsAddress: string;
  readonly comment: string;
}

export interface SoundIndex {
  readonly font: FontInfo;
  readonly parts: readonly Part[];
}

/** The part for a program or a drum kit. If the soundfont lacks it: the piano or the standard kit, or else its first one, as
 *  other players do. Null if it has no drums. */
export function partFor(parts: readonly Part[], drums: boolean, program: number): Part | null {
  const suitable = parts.filter((part) => part.drums === drums);
  const find = (wanted: number): Part | undefined => suitable.find((part) => part.program === wanted);
  return find(program) ?? find(0) ?? suitable[0] ?? null;
}
