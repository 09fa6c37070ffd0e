/* What has been heard of a piece as a score: MusicXML, and what is printed. Loaded when a score is downloaded. */

import type { MidiFile } from "../music/midi-file";
import { plainMusic } from "../notation/from-midi-file";
import { musicXml, type Heading } from "../notation/musicxml";
import { notate } from "../notation/notate";
import { printScore } from "./print-score";

export function scoreXml(file: MidiFile): string {
  const { bars, voices } = plainMusic(file);
  return musicXml(notate(bars, voices), headingOf(file));
}

/** Opens the browser's print dialog, in which the score can also be saved as PDF. */
export async function printMusic(file: MidiFile): Promise<void> {
  const { bars, voices } = plainMusic(file);
  await printScore(notate(bars, voices), headingOf(file).title ?? "");
}

/** The words around the music, from what the file says of how the piece was made. */
function headingOf({ marker }: MidiFile): Heading {
  const comment = marker.slice(marker.indexOf("{"));
  try {
    const { model, seed } = JSON.parse(comment) as { model?: unknown; seed?: unknown };
    return { title: `${String(model)}, seed ${String(seed)}`, foot: "Composed by a neural network: playbach", comment };
  } catch {
    return { title: "playbach" };
  }
}
