/* Engraves a whole score on a page: each bar is an SVG element of its own, in lines as wide as the host. Loaded, with VexFlow
   and its font, only when a score is shown. */

import "./engraving.css";
import { drawBar, joinTies, nextClefs, type BarRequest, type DrawnBar } from "./bar-drawing";
import { placeAt } from "./chord-places";
import type { EngraveOptions, Engraving, Place } from "./engraving";
import { UNITS_PER_TICK, type NotatedBar, type NotatedScore } from "./model";
import { reachOfScore, STAFF_SPACES, staffPlaces, type StaffPlaces } from "./staff-places";

export { loadFont } from "./music-font";
export { ScoreLine } from "./score-line";

const STAFF_HEIGHT = 32;
const DOUBLE_LINE_GAP = 24; // pixels between two lines of a page

/** A bar that is shown. */
interface ShownBar {
  readonly bar: NotatedBar;
  readonly drawn: DrawnBar;
  x: number;
  y: number;
}

export class Engraver implements Engraving {
  readonly element = document.createElement("div");
  private readonly beat = document.createElement("div");
  private readonly scale: number;
  private readonly places: StaffPlaces;
  private shown: ShownBar[] = [];

  constructor(private readonly host: HTMLElement, private readonly score: NotatedScore, options: EngraveOptions) {
    this.scale = (options.staffHeight ?? STAFF_HEIGHT) / STAFF_SPACES;
    this.places = staffPlaces(score, reachOfScore(score));
    this.element.className = "engraving";
    this.beat.className = "sounding-beat";
    this.beat.hidden = true;
    this.element.append(this.beat);
    host.append(this.element);
    this.layOut();
  }

  placeOf(tick: number): Place | null {
    const found = this.shown.find(({ bar }) => bar.tick <= tick && tick < bar.tick + bar.ticks);
    if (!found) return null;
    const x = found.x + placeAt(found.drawn.anchors, (tick - found.bar.tick) * UNITS_PER_TICK);
    const [top, bottom] = this.extent();
    return { x, top: found.y + top, bottom: found.y + bottom };
  }

  mark(tick: number | null): void {
    const found = tick === null ? undefined : this.shown.find(({ bar }) => bar.tick <= tick && tick < bar.tick + bar.ticks);
    this.beat.hidden = !found;
    if (!found || tick === null) return;
    const { bar, drawn } = found;
    const onset = (tick - bar.tick) * UNITS_PER_TICK;
    const index = bar.beats.findLastIndex((place) => place <= onset);
    const [from, to] = [bar.beats[index] ?? 0, bar.beats[index + 1] ?? bar.ticks * UNITS_PER_TICK];
    const [left, right] = [placeAt(drawn.anchors, from), placeAt(drawn.anchors, to)];
    const [top, bottom] = this.extent();
    const { style } = this.beat;
    style.transform = `translate(${found.x + left - 4}px, ${found.y + top}px)`;
    style.width = `${Math.max(8, right - left)}px`;
    style.height = `${bottom - top}px`;
  }

  remove(): void {
    this.element.remove();
  }

  /** From the top line of the first staff to the last line of the last one, with a margin. */
  private extent(): [top: number, bottom: number] {
    const { staves } = this.places;
    const margin = 1.2;
    return [
      ((staves[0]?.top ?? 0) - margin) * this.scale,
      ((staves.at(-1)?.top ?? 0) + STAFF_SPACES + margin) * this.scale,
    ];
  }

  /** A bar, joined to the one before. */
  private bar(at: number, startsLine: boolean, width: number | null, before?: ShownBar): ShownBar | null {
    const { score, places, scale } = this;
    const bar = score.bars[at];
    if (!bar) return null;
    const request: BarRequest = {
      parts: score.parts, bar, places, scale, startsLine, nextClefs: nextClefs(score, at), width, isHead: false,
    };
    const drawn = drawBar(request);
    const tied = startsLine ? undefined : before?.drawn;
    drawn.element.append(...joinTies(drawn.tiesIn, tied?.tiesOut ?? [], tied?.width ?? 0, scale));
    return { bar, drawn, x: 0, y: 0 };
  }

  /** Fills lines as wide as the host. */
  private layOut(): void {
    const available = Math.max(200, this.host.clientWidth);
    const natural = this.score.bars.map((_, at) => this.bar(at, true, null));
    const bars: ShownBar[] = [];
    let [line, used, first] = [0, 0, 0];
    const finish = (until: number): void => {
      const isLast = until === this.score.bars.length;
      const room = isLast && used < 0.7 * available ? 0 : Math.max(0, available - used);
      const notes = natural.slice(first, until).reduce((sum, bar) => sum + (bar?.drawn.noteWidth ?? 0), 0);
      let x = 0;
      for (let at = first; at < until; at++) {
        const own = natural[at]?.drawn;
        if (!own) continue;
        const head = at === first ? own.width : this.withoutHead(at);
        const shown = this.bar(at, at === first, head + (room * own.noteWidth) / notes - 0.01, bars.at(-1));
        if (!shown) continue;
        shown.x = x;
        shown.y = line * (this.places.height * this.scale + DOUBLE_LINE_GAP);
        x += shown.drawn.width;
        bars.push(shown);
      }
      line++;
      first = until;
    };
    for (const [at, bar] of natural.entries()) {
      const own = at === first ? (bar?.drawn.width ?? 0) : this.withoutHead(at);
      if (at > first && used + own > available) {
        finish(at);
        used = bar?.drawn.width ?? 0;
      } else {
        used += own;
      }
    }
    finish(natural.length);
    this.show(bars);
    const { style } = this.element;
    style.width = `${Math.max(available, ...bars.map((bar) => bar.x + bar.drawn.width))}px`;
    style.height = `${line * this.places.height * this.scale + (line - 1) * DOUBLE_LINE_GAP}px`;
  }

  /** The width of a bar that begins no line. */
  private withoutHead(at: number): number {
    return this.bar(at, false, null)?.drawn.width ?? 0;
  }

  private show(bars: ShownBar[]): void {
    for (const { drawn, x, y } of bars) {
      drawn.element.style.transform = `translate(${x}px, ${y}px)`;
      this.element.append(drawn.element);
    }
    this.shown = bars;
  }
}
