/* Engraves a score in the page. The library that draws it is loaded only when this is called. */

import type { EngraveOptions, Engraving } from "./engraving";
import type { NotatedScore } from "./model";
import type { ScoreLine } from "./score-line";

export type { EngraveOptions, Engraving, Place } from "./engraving";
export type { ScoreLine } from "./score-line";

/** Engraves a score at the end of the host. */
export async function engrave(host: HTMLElement, score: NotatedScore, options: EngraveOptions): Promise<Engraving> {
  const { Engraver, loadFont } = await import("./engraver");
  await loadFont();
  return new Engraver(host, score, options);
}

/** What makes scores on one line, drawn bar by bar. */
export async function loadScoreLine(): Promise<typeof ScoreLine> {
  const engraver = await import("./engraver");
  await engraver.loadFont();
  return engraver.ScoreLine;
}
