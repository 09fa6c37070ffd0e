/* A piece that the score shows: what of it is notated and drawn, and where it stands. Where its staves need more room, or its key
   or parts turn out to be others, another edition of it is prepared out of sight, and takes its place when what is seen of it
   is drawn. Knows the bars of one piece, neither time nor scrolling. */

import { keyName } from "../music/spelling";
import type { Bar } from "../music/timeline";
import type { ScoreLine } from "../notation/engrave";
import { GrowingScore } from "../notation/growing-score";
import type { NotatedBar, PlainVoice } from "../notation/model";
import { staffHeightFor } from "../notation/staff-places";

const NOTATED_AT_ONCE = 4; // bars: those of a whole piece that is notated anew are spread over some frames

/** The score in one key and with certain parts, on staves with a certain room. */
interface Edition {
  readonly notation: GrowingScore;
  line: ScoreLine | null;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export class ShownPiece {
  /** The music, which scrolls, and what stays in sight above and before it. */
  readonly element = document.createElement("section");
  readonly head = document.createElement("div");
  /** Where the line's place 0 stands among the pieces, in pixels. */
  left = 0;
  private bars: readonly Bar[] = [];
  private readonly heading = document.createElement("p");
  private readonly signs = document.createElement("div");
  private edition: Edition | null = null;
  private next: Edition | null;
  private isNotated = false;
  private staffHeight = 0;
  private measured = 0;

  constructor(readonly number: number, readonly voices: readonly PlainVoice[], private readonly Line: typeof ScoreLine) {
    this.element.className = "score-piece";
    this.head.className = "score-head";
    this.heading.className = "piece-mark";
    this.head.append(this.heading, this.signs);
    this.next = { notation: new GrowingScore(voices), line: null };
  }

  get line(): ScoreLine | null {
    return this.edition?.line ?? null;
  }

  /** Of what stays in sight, in pixels; measured once it is shown. */
  get headWidth(): number {
    return (this.measured ||= this.head.offsetWidth);
  }

  /** Takes the bars that are known by now. Bars from the beginning may be missing: what is drawn of them stays. */
  take(bars: readonly Bar[]): void {
    const missing = bars[0] ? this.bars.indexOf(bars[0]) : -1;
    const now = missing > 0 ? [...this.bars.slice(0, missing), ...bars] : bars;
    if (now.length === this.bars.length && now.every((bar, i) => bar === this.bars[i])) return;
    this.bars = now;
    this.isNotated = false;
  }

  /** Chooses the height of the staves anew. */
  resize(size: Size): void {
    const { notation } = this.next ?? this.edition ?? {};
    if (!this.staffHeight || !notation || staffHeightFor(notation.score, size.height, size.width) === this.staffHeight) return;
    this.staffHeight = 0;
    this.next = { notation, line: null };
    this.isNotated = false;
  }

  notatedBar(tick: number): NotatedBar | undefined {
    return this.edition?.notation.score.bars.findLast((bar) => bar.tick === tick);
  }

  /** Notates some bars, or draws one that is seen, if there is any.
   *  @param from the left edge of what is seen, in pixels of the line; `to` the right edge.
   *  @param ahead how much more is drawn on both sides.
   *  @param tick where to begin; it keeps its place.
   *  @returns whether it did anything. */
  work(from: number, to: number, ahead: number, tick: number, size: Size): boolean {
    if (!this.isNotated) {
      this.notate(size);
      return true;
    }
    const { next } = this;
    if (!next?.line) return this.line?.drawOne(from - ahead, to + ahead, tick) ?? false;
    const shift = this.shift(next.line, tick);
    if (!next.line.drawOne(from - shift, to - shift, tick)) this.show(next, shift);
    return true;
  }

  /** Gives back what is drawn outside two places. */
  release(from: number, to: number): void {
    this.line?.release(from, to);
  }

  remove(): void {
    this.element.remove();
    this.head.remove();
  }

  private notate(size: Size): void {
    const target = this.next ?? this.edition;
    if (!target) return;
    const { notation } = target;
    const status = notation.update(this.bars, NOTATED_AT_ONCE);
    if (status === "stale") this.next = { notation: notation.successor(), line: null };
    if (status !== "done") return;
    this.isNotated = true;
    const { score } = notation;
    this.heading.textContent = `Piece ${this.number + 1} · ${keyName(notation.heard.fifths === score.key.fifths ? notation.heard : score.key)}`;
    if (target.line?.fits(score)) {
      target.line.take(score);
      return;
    }
    this.staffHeight ||= staffHeightFor(score, size.height, size.width);
    this.next = { notation, line: new this.Line(score, this.staffHeight) };
  }

  /** How far to the right a new line stands of the old one, so that a tick keeps its place. */
  private shift(line: ScoreLine, tick: number): number {
    const [before, after] = [this.line?.placeOf(tick), line.placeOf(tick)];
    if (before && after) return before.x - after.x;
    return before ? before.x : 0;
  }

  private show(edition: Edition, shift: number): void {
    const { line } = edition;
    if (!line) return;
    this.element.replaceChildren(line.element);
    this.signs.replaceChildren(line.head);
    this.measured = 0;
    this.left += shift;
    this.edition = edition;
    this.next = null;
  }
}
