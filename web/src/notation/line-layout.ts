/* Which bars of a line of music are laid out, where they stand, and which of them are drawn. The bars that are laid out follow
   each other without a gap; the line grows to both sides, and what stands does not move. Of a bar that has scrolled away its
   place is kept, and its drawing is given back. Knows no music and no page: a drawing is anything. */

export interface LaidBar<T> {
  readonly index: number;
  /** Of its left edge. The bar that was laid out first begins at 0. */
  readonly x: number;
  readonly width: number;
  drawing: T | null;
}

export class LineLayout<T> {
  private bars: LaidBar<T>[] = [];

  get isEmpty(): boolean {
    return !this.bars.length;
  }

  /** The index of the first bar that is laid out, and that after the last. */
  get first(): number {
    return this.bars[0]?.index ?? 0;
  }

  get until(): number {
    return this.first + this.bars.length;
  }

  /** The left edge of the first bar, and the right edge of the last. */
  get left(): number {
    return this.bars[0]?.x ?? 0;
  }

  get right(): number {
    const last = this.bars.at(-1);
    return last ? last.x + last.width : 0;
  }

  at(index: number): LaidBar<T> | undefined {
    return this.bars[index - this.first];
  }

  /** The last bar that is laid out for which this is true. */
  findLast(isIt: (bar: LaidBar<T>) => boolean): LaidBar<T> | undefined {
    return this.bars.findLast(isIt);
  }

  /** The bar to draw next, so that all between two places is drawn; null: it is.
   *  @param count of all bars.
   *  @param start the bar to begin with. */
  next(count: number, from: number, to: number, start: number): number | null {
    if (!count) return null;
    if (this.isEmpty) return Math.max(0, Math.min(start, count - 1));
    const missing = this.bars.find(({ x, width, drawing }) => drawing === null && x < to && x + width > from);
    if (missing) return missing.index;
    if (this.right < to && this.until < count) return this.until;
    return this.left > from && this.first > 0 ? this.first - 1 : null;
  }

  /** Lays out a bar that `next` gave, or gives one its drawing again. */
  put(index: number, width: number, drawing: T): LaidBar<T> {
    const known = this.at(index);
    if (known) {
      known.drawing = drawing;
      return known;
    }
    const isBefore = !this.isEmpty && index < this.first;
    const bar: LaidBar<T> = { index, x: isBefore ? this.left - width : this.right, width, drawing };
    if (isBefore) this.bars.unshift(bar);
    else this.bars.push(bar);
    return bar;
  }

  /** Forgets all bars from one on.
   *  @returns their drawings. */
  cut(index: number): T[] {
    return drawingsOf(this.bars.splice(Math.max(0, index - this.first)));
  }

  /** Takes the drawings from the bars outside two places.
   *  @returns these drawings. */
  release(from: number, to: number): T[] {
    const away = this.bars.filter(({ x, width }) => x + width < from || x > to);
    const drawings = drawingsOf(away);
    for (const bar of away) bar.drawing = null;
    return drawings;
  }
}

function drawingsOf<T>(bars: readonly LaidBar<T>[]): T[] {
  return bars.flatMap(({ drawing }) => (drawing === null ? [] : [drawing]));
}
