/* Engraves a score in the page: each bar is an SVG element of its own, in one line that grows to the right, or in lines as wide
   as the host. Bars that did not change stay as they are. Loaded, with VexFlow and its font, only when a score is shown. */

import "./engraving.css";
import leland from "@vexflow-fonts/leland/leland.woff2?url";
import { MetricsDefaults, VexFlow } from "vexflow/core";
import { drawBar, placeAt, SPACE, tiePath, type BarRequest, type DrawnBar } from "./bar-drawing";
import type { EngraveOptions, Engraving, Place } from "./engraving";
import { UNITS_PER_TICK, type Clef, type NotatedBar, type NotatedScore } from "./model";
import { reachOf, STAFF_SPACES, staffPlaces, widerReach, type Reach, type StaffPlaces } from "./staff-places";

const FONT = "Leland";
const STAFF_HEIGHT = 32;
const DOUBLE_LINE_GAP = 24; // pixels between two lines of a page
let fontLoaded: Promise<unknown> | null = null;

/** Loads the music font; its signs are measured, so it must be there before anything is drawn. */
export function loadFont(): Promise<unknown> {
  fontLoaded ??= (async () => {
    VexFlow.setFonts(FONT);
    const defaults = MetricsDefaults as Record<string, Record<string, unknown>>;
    Object.assign(defaults.Stave ?? {}, { strokeStyle: "currentColor" });
    Object.assign(defaults.Stem ?? {}, { strokeStyle: "currentColor" });
    document.fonts.add(await new FontFace(FONT, `url(${leland})`).load());
  })();
  fontLoaded.catch(() => (fontLoaded = null));
  return fontLoaded;
}

/** A bar that is shown. */
interface ShownBar {
  readonly bar: NotatedBar;
  /** What it was drawn from; a bar with the same need not be drawn again. */
  readonly name: string;
  readonly drawn: DrawnBar;
  x: number;
  y: number;
}

export class Engraver implements Engraving {
  readonly element = document.createElement("div");
  private readonly beat = document.createElement("div");
  private readonly head = document.createElement("div");
  private headName = "";
  private headWidth = 0;
  private readonly scale: number;
  private shown: ShownBar[] = [];
  private reach: Reach = [];
  private places: StaffPlaces = { staves: [], chords: 0, height: 0 };
  private total = 0;
  private lines = 1;
  private score: NotatedScore;

  constructor(host: HTMLElement, score: NotatedScore, private readonly options: EngraveOptions) {
    this.scale = (options.staffHeight ?? STAFF_HEIGHT) / STAFF_SPACES;
    this.element.className = `engraving engraving-${options.layout}`;
    this.beat.className = "sounding-beat";
    this.beat.hidden = true;
    this.head.className = "engraved-head";
    this.element.append(this.head, this.beat);
    host.append(this.element);
    this.score = score;
    this.update(score);
  }

  get width(): number {
    return this.total;
  }

  get height(): number {
    return this.lines * this.places.height * this.scale + (this.lines - 1) * DOUBLE_LINE_GAP;
  }

  update(score: NotatedScore): boolean {
    this.score = score;
    const isSame = this.reach.length === score.parts.reduce((sum, part) => sum + part.staves, 0);
    let reach: Reach = isSame ? this.reach : [];
    for (const bar of score.bars) reach = widerReach(reach, reachOf(score.parts, bar));
    this.reach = reach;
    this.places = staffPlaces(score, reach);
    if (this.options.layout === "strip") this.layOutStrip();
    else this.layOutPage();
    this.element.style.width = `${this.total}px`;
    this.element.style.height = `${this.height}px`;
    return this.shown.length === score.bars.length;
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

  private request(at: number, startsLine: boolean, width: number | null): BarRequest | null {
    const { score, places, scale } = this;
    const bar = score.bars[at];
    if (!bar) return null;
    const next = score.bars[at + 1];
    const changes = score.parts.some((_, p) => next?.parts[p]?.newClefs.includes(true));
    const nextClefs = !changes ? [] : score.parts.map((_, p) => {
      const content = next?.parts[p];
      return (content?.clefs ?? []).map((clef, s): Clef | null => (content?.newClefs[s] ? clef : null));
    });
    return { parts: score.parts, bar, places, scale, startsLine, nextClefs, width, isHead: false };
  }

  /** The bar, drawn again only if something in it changed. */
  private bar(at: number, startsLine: boolean, width: number | null, before: ShownBar | undefined): ShownBar | null {
    const request = this.request(at, startsLine, width);
    if (!request) return null;
    const tied = startsLine ? [] : (before?.drawn.tiesOut ?? []);
    const left = before?.drawn.width ?? 0;
    const name = JSON.stringify([request, tied, tied.length ? left : 0]);
    const old = this.shown[at];
    if (old?.name === name) return old;
    const drawn = drawBar(request);
    this.joinTies(drawn, tied, left);
    return { bar: request.bar, name, drawn, x: 0, y: 0 };
  }

  /** Draws the ties from the bar before; those that come from nowhere, as at the beginning of a line, are short. */
  private joinTies(drawn: DrawnBar, tied: DrawnBar["tiesOut"], left: number): void {
    const unit = this.scale / SPACE;
    for (const to of drawn.tiesIn) {
      const from = tied.find((end) => end.name === to.name);
      const x = from ? from.x - left / unit : to.x - 16;
      drawn.element.append(tiePath(x, to.x, to.y, from?.direction ?? to.direction));
    }
  }

  private layOutStrip(): void {
    const bars: ShownBar[] = [];
    const began = performance.now();
    this.layOutHead();
    let x = this.headWidth;
    for (const at of this.score.bars.keys()) {
      const isOver = performance.now() - began > (this.options.budget ?? Infinity);
      const old = this.shown[at];
      const shown = this.bar(at, false, null, bars.at(-1));
      if (!shown) continue;
      shown.x = x;
      shown.y = 0;
      x += shown.drawn.width;
      bars.push(shown);
      if (isOver && shown !== old) break;
    }
    this.show(bars);
    this.total = x;
    this.lines = 1;
  }

  /** Clefs and key at the beginning of the strip, which stay in sight while it scrolls. */
  private layOutHead(): void {
    const { score, places, scale } = this;
    const [first] = score.bars;
    if (!first) return;
    const name = JSON.stringify([score.parts, first.key, first.parts.map((part) => part.clefs), places]);
    if (name === this.headName) return;
    this.headName = name;
    const parts = first.parts.map((part) => ({ ...part, voices: [] }));
    const bar = { ...first, parts, chords: [], tempos: [], newMeter: false, number: 0, last: false };
    const drawn = drawBar({ parts: score.parts, bar, places, scale, startsLine: true, nextClefs: [], width: null, isHead: true });
    this.head.replaceChildren(drawn.element);
    this.headWidth = drawn.width;
  }

  /** Fills lines as wide as the host. */
  private layOutPage(): void {
    const available = Math.max(200, this.element.parentElement?.clientWidth ?? 0);
    const natural = this.score.bars.map((_, at) => this.bar(at, true, null, undefined));
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
    this.total = Math.max(available, ...bars.map((bar) => bar.x + bar.drawn.width));
    this.lines = line;
  }

  /** The width of a bar that begins no line. */
  private withoutHead(at: number): number {
    return this.bar(at, false, null, undefined)?.drawn.width ?? 0;
  }

  private show(bars: ShownBar[]): void {
    const kept = new Set(bars.map((bar) => bar.drawn.element));
    for (const { drawn } of this.shown) if (!kept.has(drawn.element)) drawn.element.remove();
    for (const { drawn, x, y } of bars) {
      drawn.element.style.transform = `translate(${x}px, ${y}px)`;
      if (drawn.element.parentElement !== this.element) this.element.append(drawn.element);
    }
    this.shown = bars;
  }
}
