/* A score on one line, of which only what is seen is drawn: each bar is an SVG element of its own, and `drawOne` draws one. Bars
   keep their places while the line grows. Knows places on the line, neither time nor scrolling. */

import { drawBar, joinTies, nextClefs, type DrawnBar } from "./bar-drawing";
import { placeAt } from "./chord-places";
import type { Place } from "./engraving";
import { LineLayout, type LaidBar } from "./line-layout";
import { UNITS_PER_TICK, type NotatedBar, type NotatedScore } from "./model";
import { reachOfScore, STAFF_SPACES, staffPlaces, widerReach, type Reach, type StaffPlaces } from "./staff-places";

const MARGIN = 1.2; // staff spaces above and below the staves that the mark of a beat covers
const LEAST_BEAT = 8; // pixels

/** What is kept of a bar. */
interface LineBar {
  readonly bar: NotatedBar;
  /** The clefs at its end. */
  readonly clefs: string;
  readonly drawn: Omit<DrawnBar, "element">;
}

interface Drawing {
  readonly element: SVGSVGElement;
  ties: SVGPathElement[];
}

export class ScoreLine {
  readonly element = document.createElement("div");
  /** Clefs and key, which are to stay in sight. */
  readonly head = document.createElement("div");
  readonly height: number;
  headWidth = 0;
  private readonly beat = document.createElement("div");
  private readonly layout = new LineLayout<Drawing>();
  private readonly bars: LineBar[] = [];
  private readonly scale: number;
  private readonly reach: Reach;
  private readonly places: StaffPlaces;
  private marked = "";

  constructor(private score: NotatedScore, staffHeight: number) {
    this.scale = staffHeight / STAFF_SPACES;
    this.reach = reachOfScore(score);
    this.places = staffPlaces(score, this.reach);
    this.height = this.places.height * this.scale;
    this.element.className = "engraving engraving-line";
    this.element.style.height = `${this.height}px`;
    this.beat.className = "sounding-beat";
    this.beat.hidden = true;
    this.head.className = "engraved-head";
    this.element.append(this.beat);
  }

  /** Where what is laid out begins and ends. */
  get left(): number {
    return this.layout.left - (this.layout.first === 0 ? this.headWidth : 0);
  }

  get right(): number {
    return this.layout.right;
  }

  /** Whether the first bar is laid out, and whether the last one is. */
  get hasBeginning(): boolean {
    return !this.layout.isEmpty && this.layout.first === 0;
  }

  get hasEnd(): boolean {
    return !this.layout.isEmpty && this.layout.until === this.score.bars.length;
  }

  /** Whether the staves have room for a score. */
  fits(score: NotatedScore): boolean {
    return String(widerReach(this.reach, reachOfScore(score)).map(({ above, below }) => [above, below]))
      === String(this.reach.map(({ above, below }) => [above, below]));
  }

  /** Takes a score that fits. Bars that differ are forgotten, with all after them. */
  take(score: NotatedScore): void {
    this.score = score;
    for (let at = this.layout.first; at < this.layout.until; at++) {
      if (this.bars[at]?.bar === score.bars[at] && this.bars[at]?.clefs === clefsName(score, at)) continue;
      for (const { element } of this.layout.cut(at)) element.remove();
      this.bars.length = at;
      this.marked = "";
    }
  }

  /** Draws one bar, or the head, if something between two places is not drawn yet.
   *  @param tick where to begin.
   *  @returns whether something was drawn. */
  drawOne(from: number, to: number, tick: number): boolean {
    if (!this.headWidth) {
      this.drawHead();
      return true;
    }
    const { bars } = this.score;
    const start = bars.findLastIndex((bar) => bar.tick <= tick);
    const index = this.layout.next(bars.length, from, to, start);
    if (index === null) return false;
    this.draw(index);
    return true;
  }

  /** Whether all between two places is drawn. */
  isDrawn(from: number, to: number): boolean {
    return this.headWidth > 0 && this.layout.next(this.score.bars.length, from, to, 0) === null;
  }

  /** Gives back the drawings outside two places. */
  release(from: number, to: number): void {
    for (const { element } of this.layout.release(from, to)) element.remove();
  }

  /** Where a tick of the music stands; null if it is not laid out. */
  placeOf(tick: number): Place | null {
    const found = this.barAt(tick);
    const own = found && this.bars[found.index];
    if (!own) return null;
    const x = found.x + placeAt(own.drawn.anchors, (tick - own.bar.tick) * UNITS_PER_TICK);
    const [top, bottom] = this.extent;
    return { x, top, bottom };
  }

  /** Marks the beat that sounds at a tick; null: none. */
  mark(tick: number | null): void {
    const found = tick === null ? undefined : this.barAt(tick);
    const own = found && this.bars[found.index];
    const beat = own && tick !== null ? own.bar.beats.findLastIndex((place) => place <= (tick - own.bar.tick) * UNITS_PER_TICK) : -1;
    const name = found ? `${found.index} ${beat}` : "none";
    if (name === this.marked) return;
    this.marked = name;
    this.beat.hidden = !own;
    if (!found || !own) return;
    const { bar, drawn } = own;
    const [from, to] = [bar.beats[beat] ?? 0, bar.beats[beat + 1] ?? bar.ticks * UNITS_PER_TICK];
    const [left, right] = [placeAt(drawn.anchors, from), placeAt(drawn.anchors, to)];
    const [top, bottom] = this.extent;
    const { style } = this.beat;
    style.transform = `translate(${found.x + left - 4}px, ${top}px)`;
    style.width = `${Math.max(LEAST_BEAT, right - left)}px`;
    style.height = `${bottom - top}px`;
  }

  private barAt(tick: number): LaidBar<Drawing> | undefined {
    const found = this.layout.findLast(({ index }) => (this.bars[index]?.bar.tick ?? Infinity) <= tick);
    const bar = found && this.bars[found.index]?.bar;
    return bar && tick < bar.tick + bar.ticks ? found : undefined;
  }

  /** From the top line of the first staff to the last line of the last one, with a margin. */
  private get extent(): readonly [top: number, bottom: number] {
    const { staves } = this.places;
    return [
      ((staves[0]?.top ?? 0) - MARGIN) * this.scale, ((staves.at(-1)?.top ?? 0) + STAFF_SPACES + MARGIN) * this.scale,
    ];
  }

  private drawHead(): void {
    const { score, places, scale } = this;
    const [first] = score.bars;
    if (!first) return;
    const parts = first.parts.map((part) => ({ ...part, voices: [] }));
    const bar = { ...first, parts, chords: [], tempos: [], newMeter: false, number: 0, last: false };
    const drawn = drawBar({ parts: score.parts, bar, places, scale, startsLine: true, nextClefs: [], width: null, isHead: true });
    this.head.replaceChildren(drawn.element);
    this.headWidth = drawn.width;
  }

  private draw(index: number): void {
    const { score, places, scale } = this;
    const bar = score.bars[index];
    if (!bar) return;
    const { element, ...drawn } = drawBar({
      parts: score.parts, bar, places, scale, startsLine: false, nextClefs: nextClefs(score, index), width: null, isHead: false,
    });
    this.bars[index] = { bar, clefs: clefsName(score, index), drawn };
    const laid = this.layout.put(index, drawn.width, { element, ties: [] });
    element.style.transform = `translateX(${laid.x}px)`;
    this.element.append(element);
    this.tie(index);
    this.tie(index + 1);
  }

  /** Draws the ties into a bar that is drawn. */
  private tie(index: number): void {
    const own = this.bars[index];
    const drawing = this.layout.at(index)?.drawing;
    if (!own || !drawing || !own.drawn.tiesIn.length) return;
    const before = this.layout.at(index - 1) ? this.bars[index - 1]?.drawn : undefined;
    for (const path of drawing.ties) path.remove();
    drawing.ties = joinTies(own.drawn.tiesIn, before?.tiesOut ?? [], before?.width ?? 0, this.scale);
    drawing.element.append(...drawing.ties);
  }
}

/** What the clefs at the end of a bar are, to compare them. */
function clefsName(score: NotatedScore, at: number): string {
  const clefs = nextClefs(score, at);
  return clefs.length ? JSON.stringify(clefs) : "";
}
