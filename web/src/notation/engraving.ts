/* What an engraved score in the page offers to those who use it. */

import type { NotatedScore } from "./model";

export interface EngraveOptions {
  /** One line that grows to the right, or lines as wide as the host. */
  readonly layout: "strip" | "page";
  /** The height of a staff in pixels; default: 32. */
  readonly staffHeight?: number;
  /** How many milliseconds one update may take, in a strip; what is left is drawn by the next. Default: as many as it needs. */
  readonly budget?: number;
}

/** Where a place of the music stands, in pixels from the engraving's top left corner. */
export interface Place {
  readonly x: number;
  readonly top: number;
  readonly bottom: number;
}

/** A score in the page. */
export interface Engraving {
  /** What was added to the host. */
  readonly element: HTMLElement;
  readonly width: number;
  readonly height: number;
  /** Engraves the bars that differ from those shown, and removes those that are gone.
   *  @returns whether all of them are drawn. */
  update(score: NotatedScore): boolean;
  /** Where a tick of the music stands; null if it is not shown. */
  placeOf(tick: number): Place | null;
  /** Marks the beat that sounds at a tick; null: none. */
  mark(tick: number | null): void;
  remove(): void;
}
