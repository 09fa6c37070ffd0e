/* Draws a score (a first version: text only). */

import type { EngraveOptions, Engraving, Place } from "./engraving";
import type { NotatedScore } from "./model";

export class Engraver implements Engraving {
  readonly element = document.createElement("div");
  readonly width = 0;
  readonly height = 0;

  constructor(host: HTMLElement, score: NotatedScore, options: EngraveOptions) {
    this.element.className = options.layout;
    this.update(score);
    host.append(this.element);
  }

  update(score: NotatedScore): void {
    this.element.textContent = `${score.bars.length} bars`;
  }

  placeOf(): Place | null {
    return null;
  }

  mark(): void {
    this.element.dataset.marked = "";
  }

  remove(): void {
    this.element.remove();
  }
}
