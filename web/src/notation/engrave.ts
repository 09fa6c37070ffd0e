/* Engraves a score in the page. The library that draws it is loaded only when this is called. */

import type { EngraveOptions, Engraving } from "./engraving";
import type { NotatedScore } from "./model";

export type { EngraveOptions, Engraving, Place } from "./engraving";

/** Engraves a score at the end of the host. */
export async function engrave(host: HTMLElement, score: NotatedScore, options: EngraveOptions): Promise<Engraving> {
  const { Engraver, loadFont } = await import("./engraver");
  await loadFont();
  return new Engraver(host, score, options);
}
