/* The score that follows the sound: one line of music that scrolls, engraved bar by bar as the bars arrive, with a mark where
   each piece begins. A frame notates some bars or draws one, and only those that are seen or soon will be; scrolling moves what
   is drawn and lays nothing out. What has scrolled away is released, and old pieces are forgotten. The engraver is loaded when
   the score is first shown. Knows the timeline, not the player. */

import { keyName, pitchName } from "../music/spelling";
import type { Bar, Timeline } from "../music/timeline";
import { loadScoreLine, type ScoreLine } from "../notation/engrave";
import type { PlainVoice } from "../notation/model";
import { DragScroll } from "./drag-scroll";
import { element } from "./element";
import { ShownPiece } from "./shown-piece";

const PLAYHEAD = 0.36; // its place, as a fraction of the width
const ENOUGH_BARS = 4; // a piece is engraved when its key can be told, or when it is about to sound
const SOON = 1.5; // seconds
const LATE = 0.6; // seconds after a first piece has begun, until which more bars of it may arrive
const SMOOTHING = 0.7; // seconds, before and after now, over which the scrolling is averaged
const SMOOTHING_STEPS = 6;
const USER_SCROLLS = 4000; // milliseconds for which the score does not follow after somebody scrolled
const GAP = 28; // pixels between two pieces
/** Of the frame's width: how far beyond its edges bars are drawn, and how far beyond them drawings are kept. */
const [AHEAD, KEPT] = [0.75, 1.5];

export class ScoreView {
  private readonly track = document.createElement("div");
  private readonly playhead = document.createElement("div");
  private readonly words = document.createElement("p");
  private readonly fault = element("score-fault");
  private readonly reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");
  private Line: typeof ScoreLine | null = null;
  private pieces: ShownPiece[] = [];
  private signature: readonly unknown[] = [];
  private size = { width: 0, height: 0 };
  private offset = 0; // of the frame's left edge among the pieces, in pixels
  private userScrolledAt = -Infinity;
  private audible = 0;
  private workedIn: CSSNumberish | null = null; // the frame's time
  private waiting = 0; // the animation frame in which what is left is engraved
  private describedBar: Bar | undefined;
  private isLoading = false;
  private hasFailed = false; // to load the engraver; tried again when the score is shown again

  /** @param frame an element that scrolls up and down. */
  constructor(private readonly frame: HTMLElement, private readonly timeline: Timeline) {
    this.track.className = "score-track";
    this.playhead.className = "score-playhead";
    this.playhead.hidden = true;
    this.words.className = "visually-hidden";
    this.track.append(this.playhead);
    frame.append(this.words, this.track);
    new DragScroll(frame, (by) => this.scrollByHand(by), () => !this.reducedMotion.matches);
    new ResizeObserver(([entry]) => this.resize(entry?.contentRect ?? this.size)).observe(frame);
  }

  get visible(): boolean {
    return !this.frame.hidden;
  }

  set visible(visible: boolean) {
    this.frame.hidden = !visible;
    this.fault.hidden = true;
    this.hasFailed = false;
    if (visible) this.redrawSoon();
  }

  /** Shows the music at an audio time. */
  draw(audible: number): void {
    this.audible = audible;
    if (!this.visible || this.hasFailed) return;
    if (!this.Line) {
      this.load();
      return;
    }
    this.takeBars(this.Line);
    this.follow();
    if (this.size.width) this.work();
  }

  private redrawSoon(): void {
    if (this.waiting || !this.visible) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.draw(this.audible);
    });
  }

  private load(): void {
    if (this.isLoading) return;
    this.isLoading = true;
    loadScoreLine().then(
      (Line) => {
        this.Line = Line;
        this.redrawSoon();
      },
      () => {
        this.hasFailed = true;
        this.fault.hidden = false;
      },
    ).finally(() => (this.isLoading = false));
  }

  private resize({ width, height }: { readonly width: number; readonly height: number }): void {
    if (!width || !height) return; // it is hidden
    this.size = { width, height };
    for (const piece of this.pieces) piece.resize(this.size);
    this.redrawSoon();
  }

  // ---------------------------------------------------------------------------------------------------- the pieces

  /** Takes over what changed on the timeline. */
  private takeBars(Line: typeof ScoreLine): void {
    const { bars } = this.timeline;
    const signature = [bars.length, bars[0], bars.at(-1), this.pieces.length];
    if (signature.every((part, i) => part === this.signature[i]) && !this.isPieceMissing()) return;
    const numbers = new Set(bars.map((bar) => bar.piece));
    for (const piece of this.pieces) if (!numbers.has(piece.number) || this.hasOtherVoices(piece)) piece.remove();
    this.pieces = this.pieces.filter((piece) => numbers.has(piece.number) && !this.hasOtherVoices(piece));
    for (const number of numbers) {
      const own = bars.filter((bar) => bar.piece === number);
      let piece = this.pieces.find((known) => known.number === number);
      if (!piece && this.isReady(own)) piece = this.addPiece(number, Line);
      piece?.take(own);
    }
    this.signature = [bars.length, bars[0], bars.at(-1), this.pieces.length];
  }

  private isPieceMissing(): boolean {
    const last = this.timeline.bars.at(-1)?.piece;
    return last !== undefined && last !== this.pieces.at(-1)?.number;
  }

  private hasOtherVoices(piece: ShownPiece): boolean {
    const voices = this.voicesOf(piece.number);
    return voices !== piece.voices && JSON.stringify(voices) !== JSON.stringify(piece.voices);
  }

  /** Whether enough of a piece is known to tell its key, or it must be shown now. */
  private isReady(bars: readonly Bar[]): boolean {
    const first = bars[0];
    if (!first) return false;
    if (bars.length >= ENOUGH_BARS || bars.at(-1)?.last) return true;
    return this.pieces.length ? first.time < this.audible + SOON : first.time < this.audible - LATE;
  }

  private addPiece(number: number, Line: typeof ScoreLine): ShownPiece {
    const piece = new ShownPiece(number, this.voicesOf(number), Line);
    const at = this.pieces.findIndex((known) => known.number > number);
    this.pieces.splice(at < 0 ? this.pieces.length : at, 0, piece);
    this.track.append(piece.element, piece.head);
    return piece;
  }

  private voicesOf(piece: number): readonly PlainVoice[] {
    return this.timeline.pieces.get(piece)?.message.voices ?? [];
  }

  /** Notates some bars or draws one, in the piece that sounds or else in the others. */
  private work(): void {
    const { width } = this.size;
    const sounding = this.timeline.barAt(this.audible) ?? this.timeline.bars[0];
    let isBusy = this.workedIn === document.timeline.currentTime; // this frame has done its share
    this.workedIn = document.timeline.currentTime;
    const order = [...this.pieces].sort((a, b) => Number(b.number === sounding?.piece) - Number(a.number === sounding?.piece));
    for (const piece of order) {
      const tick = piece.number === sounding?.piece ? tickAt(sounding, this.audible)
        : piece.number > (sounding?.piece ?? 0) ? -Infinity : Infinity;
      const from = this.offset - piece.left;
      piece.release(from - KEPT * width, from + (1 + KEPT) * width);
      isBusy ||= piece.work(from, from + width, AHEAD * width, tick, this.size);
    }
    if (isBusy) this.redrawSoon();
  }

  // ------------------------------------------------------------------------------------------------------ following

  private follow(): void {
    const bar = this.timeline.barAt(this.audible) ?? this.timeline.bars[0];
    this.placePieces(bar);
    const x = this.xAt(this.audible);
    if (x !== null) this.scrollTo(x);
    for (const piece of this.pieces) piece.line?.mark(bar?.piece === piece.number ? tickAt(bar, this.audible) : null);
    this.move();
    this.playhead.hidden = x === null;
    if (x === null || !bar) return;
    this.playhead.style.transform = `translateX(${x - this.offset}px)`;
    this.describe(bar);
  }

  /** Puts the pieces beside each other, from the one that sounds to both sides. */
  private placePieces(sounding: Bar | undefined): void {
    const at = Math.max(0, this.pieces.findIndex((piece) => piece.number === sounding?.piece));
    for (const [i, piece] of this.pieces.entries()) piece.element.hidden = piece.head.hidden = i !== at || !piece.line;
    for (let i = at + 1; i < this.pieces.length; i++) {
      const [before, piece] = [this.pieces[i - 1], this.pieces[i]];
      if (!before?.line?.hasEnd || !piece?.line?.hasBeginning) break;
      piece.left = before.left + before.line.right + GAP - piece.line.left;
      piece.element.hidden = piece.head.hidden = false;
    }
    for (let i = at - 1; i >= 0; i--) {
      const [piece, after] = [this.pieces[i], this.pieces[i + 1]];
      if (!after?.line?.hasBeginning || !piece?.line?.hasEnd) break;
      piece.left = after.left + after.line.left - GAP - piece.line.right;
      piece.element.hidden = piece.head.hidden = false;
    }
  }

  private scrollTo(x: number): void {
    if (performance.now() - this.userScrolledAt < USER_SCROLLS) return;
    const { width } = this.size;
    if (this.reducedMotion.matches) {
      const seen = (x - this.offset) / width;
      if (seen < 0.1 || seen > 0.85) this.offset = x - width * 0.2;
    } else {
      this.offset = this.smoothX(x) - width * PLAYHEAD;
    }
  }

  private scrollByHand(by: number): void {
    const shown = this.pieces.filter((piece) => !piece.element.hidden);
    const [first, last] = [shown[0], shown.at(-1)];
    if (!first?.line || !last?.line) return;
    this.userScrolledAt = performance.now();
    const { width } = this.size;
    const least = first.left + first.line.left - PLAYHEAD * width;
    const most = last.left + last.line.right - PLAYHEAD * width;
    this.offset = Math.max(least, Math.min(this.offset + by, most));
    this.redrawSoon();
  }

  /** Moves the pieces to where they are seen. Their heads stay at the left edge while something of the piece is there. */
  private move(): void {
    const pixels = window.devicePixelRatio || 1;
    const whole = (x: number): number => Math.round(x * pixels) / pixels; // or else the lines of a staff are blurred
    for (const piece of this.pieces) {
      const { element, head, line, left } = piece;
      if (!line || element.hidden) continue;
      const x = left - this.offset;
      const last = x + line.right - piece.headWidth;
      element.style.transform = `translateX(${whole(x)}px)`;
      head.style.transform = `translateX(${whole(Math.min(Math.max(0, x + line.left), last))}px)`;
    }
  }

  /** The place of an audio time among the pieces; null where nothing is engraved. */
  private xAt(time: number): number | null {
    const bar = this.timeline.barAt(time) ?? this.timeline.bars[0];
    const piece = bar && this.pieces.find((other) => other.number === bar.piece);
    if (!bar || !piece || piece.element.hidden) return null;
    const place = piece.line?.placeOf(tickAt(bar, time));
    return place ? piece.left + place.x : null;
  }

  /** The mean of the places around now: notes stand at uneven distances, and the scrolling should be even. */
  private smoothX(now: number): number {
    let [sum, count] = [now, 1];
    for (let i = -SMOOTHING_STEPS; i <= SMOOTHING_STEPS; i++) {
      const x = i ? this.xAt(this.audible + (i * SMOOTHING) / SMOOTHING_STEPS) : null;
      if (x === null) continue;
      sum += x;
      count++;
    }
    return sum / count;
  }

  /** Says in words what is engraved, for those who cannot see it. */
  private describe(bar: Bar): void {
    if (bar === this.describedBar) return;
    const notated = this.pieces.find((other) => other.number === bar.piece)?.notatedBar(bar.tick);
    if (!notated) return;
    this.describedBar = bar;
    const voices = this.voicesOf(bar.piece).map((voice, i) => {
      const notes = bar.notes.filter((note) => note.voice === i).map((note) => pitchName(note.pitch, notated.key));
      return voice.drums || !notes.length ? "" : ` ${voice.name || `Voice ${i + 1}`}: ${notes.join(" ")}.`;
    });
    const chords = notated.chords.length ? ` Chords: ${notated.chords.map((chord) => chord.text).join(", ")}.` : "";
    this.words.textContent =
      `Piece ${bar.piece + 1}, bar ${bar.bar}, ${keyName(notated.key)}, ${bar.meter.join("/")}.${chords}${voices.join("")}`;
  }
}

/** The tick that sounds at an audio time in a bar. */
function tickAt(bar: Bar, time: number): number {
  const [tick, from, qpm] = bar.tempos.findLast((tempo) => tempo[1] <= time) ?? [bar.tick, bar.time, 60];
  const now = tick + (Math.max(0, time - from) * qpm * 480) / 60;
  return Math.max(bar.tick, Math.min(now, bar.tick + bar.ticks - 1));
}
