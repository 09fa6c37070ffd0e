/* What an engraved score in the page offers to those who use it. */

export interface EngraveOptions {
  /** The height of a staff in pixels; default: 32. */
  readonly staffHeight?: number;
}

/** Where a place of the music stands, in pixels from the engraving's top left corner. */
export interface Place {
  readonly x: number;
  readonly top: number;
  readonly bottom: number;
}

/** A score on lines as wide as its host. */
export interface Engraving {
  /** What was added to the host. */
  readonly element: HTMLElement;
  /** Where a tick of the music stands; null if it is not shown. */
  placeOf(tick: number): Place | null;
  /** Marks the beat that sounds at a tick; null: none. */
  mark(tick: number | null): void;
  remove(): void;
}
