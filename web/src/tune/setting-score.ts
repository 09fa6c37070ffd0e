/* The setting as an engraved score, on lines as wide as the page, with a mark at the beat that sounds. The engraver is loaded
   when a setting is first shown. */

import { engrave, type Engraving } from "../notation/engrave";
import type { NotatedScore } from "../notation/model";
import { notate } from "../notation/notate";
import { messagesOf, type Music } from "./music";
import type { KeySignature } from "./pitches";

const STAFF_HEIGHT = 28; // pixels
const MARGIN = 30; // pixels above a line that is scrolled to, for the names of chords
const LEAST_CHANGE = 20; // pixels of width: a smaller one does not engrave again

/** The music as it is written in a key. */
export function written(music: Music, { fifths, minor }: KeySignature): NotatedScore {
  return notate(messagesOf(music).bars, music.voices, { fifths, minor });
}

export class SettingScore {
  private score: NotatedScore | null = null;
  private engraving: Engraving | null = null;
  private width = 0;
  private count = 0; // of engravings that were begun

  constructor(private readonly host: HTMLElement) {
    new ResizeObserver(() => {
      if (Math.abs(host.clientWidth - this.width) > LEAST_CHANGE) void this.engrave();
    }).observe(host);
  }

  show(music: Music, key: KeySignature): void {
    this.score = written(music, key);
    void this.engrave();
  }

  /** Marks the beat that sounds at a tick, and scrolls to it; null: none. */
  mark(tick: number | null): void {
    this.engraving?.mark(tick);
    const place = tick === null ? null : this.engraving?.placeOf(tick);
    if (!place) return;
    const { scrollTop, clientHeight } = this.host;
    if (place.top < scrollTop || place.bottom > scrollTop + clientHeight) this.host.scrollTop = place.top - MARGIN;
  }

  private async engrave(): Promise<void> {
    const { score, host } = this;
    if (!score || !host.clientWidth) return;
    const count = ++this.count;
    this.width = host.clientWidth;
    try {
      const engraving = await engrave(host, score, { staffHeight: STAFF_HEIGHT });
      if (count !== this.count) engraving.remove();
      else {
        this.engraving?.remove();
        this.engraving = engraving;
      }
    } catch {
      host.textContent = "The score cannot be shown: its engraver did not load.";
    }
  }
}
