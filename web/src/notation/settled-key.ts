/* The key of a piece that is still being composed: the key known so far, kept until the music has clearly another one. So the
   bars that a reader has seen are not spelled anew for every note that comes. */

import type { Key } from "./model";

/** How many bars in succession must give another signature: fewer while little is known. */
const PERSISTENCE = { early: 2, late: 6 } as const;
const EARLY_BARS = 8;

export class SettledKey {
  private settled: Key | null = null;
  private doubts = 0; // bars in succession that gave another signature
  private known = 0; // bars

  get key(): Key | null {
    return this.settled;
  }

  /** The key of the first `count` bars, which by themselves are likeliest in `now`. Those of fewer bars came before. */
  hear(now: Key, count: number): Key {
    const isNew = count !== this.known;
    this.known = count;
    if (!this.settled) return (this.settled = now);
    if (now.fifths === this.settled.fifths) this.doubts = 0;
    else if (isNew) this.doubts++;
    const needed = count <= EARLY_BARS ? PERSISTENCE.early : PERSISTENCE.late;
    if (this.doubts >= needed) {
      this.settled = now;
      this.doubts = 0;
    }
    return this.settled;
  }
}
