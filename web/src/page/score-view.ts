/* The score that follows the sound: one line of music that scrolls, engraved bar by bar as the bars arrive, with a mark where
   each piece begins. Bars that the server replaces are engraved again, and old pieces are forgotten. The engraver is loaded when
   the score is first shown. Knows the timeline, not the player. */

import { keyName, keyOf, pitchName } from "../music/spelling";
import type { Bar, Timeline } from "../music/timeline";
import { engrave, type Engraving } from "../notation/engrave";
import type { NotatedScore, PlainVoice } from "../notation/model";
import { notate } from "../notation/notate";
import { SettledKey } from "../notation/settled-key";
import type { SettledNames } from "../notation/spelling";
import { staffHeightFor } from "../notation/staff-places";
import { element } from "./element";

const PLAYHEAD = 0.36; // its place, as a fraction of the width
const ENOUGH_BARS = 4; // a piece is engraved when its key can be told, or when it is about to sound
const SOON = 1.5; // seconds
const LATE = 0.6; // seconds after a first piece has begun, until which more bars of it may arrive
const BUDGET = 5; // milliseconds of a frame for engraving
const SMOOTHING = 0.7; // seconds, before and after now, over which the scrolling is averaged
const SMOOTHING_STEPS = 6;
const USER_SCROLLS = 4000; // milliseconds for which the score does not follow after somebody scrolled
const GAP = 28; // pixels between two pieces

/** A piece that is shown. */
interface ShownPiece {
  readonly number: number;
  readonly element: HTMLElement;
  readonly heading: HTMLElement;
  readonly key: SettledKey;
  names: SettledNames;
  fifths: number;
  bars: readonly Bar[];
  score: NotatedScore | null;
  engraving: Engraving | null;
  isLoading: boolean;
  isDrawn: boolean;
}

export class ScoreView {
  private readonly track = document.createElement("div");
  private readonly playhead = document.createElement("div");
  private readonly words = document.createElement("p");
  private readonly fault = element("score-fault");
  private readonly reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");
  private pieces: ShownPiece[] = [];
  private signature: readonly unknown[] = [];
  private userScrolledAt = -Infinity;
  private audible = 0;
  private waiting = 0; // the animation frame in which what is left is engraved
  private describedBar: Bar | undefined;
  private hasFailed = false; // to load the engraver; tried again when the score is shown again

  /** @param frame a scrolling element. */
  constructor(private readonly frame: HTMLElement, private readonly timeline: Timeline) {
    this.track.className = "score-track";
    this.playhead.className = "score-playhead";
    this.playhead.hidden = true;
    this.words.className = "visually-hidden";
    this.track.append(this.playhead);
    frame.append(this.words, this.track);
    for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"]) {
      frame.addEventListener(kind, () => (this.userScrolledAt = performance.now()), { passive: true });
    }
    new ResizeObserver(() => this.redrawSoon()).observe(frame);
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
    this.takeBars();
    this.engraveSome();
    this.follow();
  }

  private redrawSoon(): void {
    if (this.waiting || !this.visible) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.draw(this.audible);
    });
  }

  // ---------------------------------------------------------------------------------------------------- the pieces

  /** Takes over what changed on the timeline. */
  private takeBars(): void {
    const { bars } = this.timeline;
    const signature = [bars.length, bars[0], bars.at(-1), this.pieces.length];
    if (signature.every((part, i) => part === this.signature[i]) && !this.isPieceMissing()) return;
    const numbers = new Set(bars.map((bar) => bar.piece));
    for (const piece of this.pieces) if (!numbers.has(piece.number)) forget(piece);
    this.pieces = this.pieces.filter((piece) => numbers.has(piece.number));
    for (const number of numbers) {
      const own = bars.filter((bar) => bar.piece === number);
      let piece = this.pieces.find((known) => known.number === number);
      if (!piece) {
        if (!this.isReady(own)) continue;
        piece = this.addPiece(number);
      }
      if (own.length === piece.bars.length && own.every((bar, i) => bar === piece.bars[i])) continue;
      this.notatePiece(piece, own);
    }
    this.signature = [bars.length, bars[0], bars.at(-1), this.pieces.length];
  }

  private isPieceMissing(): boolean {
    const last = this.timeline.bars.at(-1)?.piece;
    return last !== undefined && last !== this.pieces.at(-1)?.number;
  }

  /** Whether enough of a piece is known to tell its key, or it must be shown now. */
  private isReady(bars: readonly Bar[]): boolean {
    const first = bars[0];
    if (!first) return false;
    if (bars.length >= ENOUGH_BARS || bars.at(-1)?.last) return true;
    return this.pieces.length ? first.time < this.audible + SOON : first.time < this.audible - LATE;
  }

  private addPiece(number: number): ShownPiece {
    const element = document.createElement("section");
    const heading = document.createElement("p");
    heading.className = "piece-mark";
    element.className = "score-piece";
    element.append(heading);
    const piece: ShownPiece = {
      number, element, heading, key: new SettledKey(), names: new Map(), fifths: NaN, bars: [], score: null, engraving: null,
      isLoading: false, isDrawn: false,
    };
    const at = this.pieces.findIndex((known) => known.number > number);
    this.pieces.splice(at < 0 ? this.pieces.length : at, 0, piece);
    this.track.insertBefore(element, this.pieces[this.pieces.indexOf(piece) + 1]?.element ?? null);
    return piece;
  }

  private notatePiece(piece: ShownPiece, bars: readonly Bar[]): void {
    const voices = this.voicesOf(piece.number);
    const key = piece.key.update(bars, voices);
    if (key.fifths !== piece.fifths) piece.names = new Map();
    piece.fifths = key.fifths;
    piece.score = notate(bars, voices, key, piece.names);
    piece.bars = bars;
    piece.isDrawn = false;
    const heard = keyOf(bars.flatMap((bar) => bar.notes).filter((note) => !voices[note.voice]?.drums));
    const name = keyName(heard.fifths === key.fifths ? heard : key);
    piece.heading.textContent = `Piece ${piece.number + 1} · ${name}`;
  }

  private voicesOf(piece: number): readonly PlainVoice[] {
    return this.timeline.pieces.get(piece)?.message.voices ?? [];
  }

  /** Draws what is not drawn yet, as far as one frame has time for it. */
  private engraveSome(): void {
    const piece = this.pieces.find((other) => !other.isDrawn && !other.isLoading);
    if (!piece?.score) return;
    if (piece.engraving) piece.isDrawn = piece.engraving.update(piece.score);
    else this.load(piece, piece.score);
    this.redrawSoon();
  }

  private load(piece: ShownPiece, score: NotatedScore): void {
    piece.isLoading = true;
    const staffHeight = staffHeightFor(score, this.frame.clientHeight, this.frame.clientWidth);
    engrave(piece.element, score, { layout: "strip", staffHeight, budget: BUDGET }).then(
      (engraving) => {
        piece.isLoading = false;
        if (!this.pieces.includes(piece)) engraving.remove();
        else piece.engraving = engraving;
        this.redrawSoon();
      },
      () => {
        this.hasFailed = true;
        forget(piece);
        this.pieces = this.pieces.filter((other) => other !== piece);
        this.fault.hidden = false;
      },
    );
  }

  // ------------------------------------------------------------------------------------------------------ following

  private follow(): void {
    const x = this.xAt(this.audible);
    const bar = this.timeline.barAt(this.audible);
    for (const piece of this.pieces) {
      piece.engraving?.mark(bar?.piece === piece.number ? tickAt(bar, this.audible) : null);
    }
    this.playhead.hidden = x === null;
    if (x === null || !bar) return;
    this.playhead.style.transform = `translateX(${x}px)`;
    this.describe(bar);
    if (performance.now() - this.userScrolledAt < USER_SCROLLS) return;
    const { clientWidth, scrollLeft } = this.frame;
    if (this.reducedMotion.matches) {
      const seen = (x - scrollLeft) / clientWidth;
      if (seen < 0.1 || seen > 0.85) this.frame.scrollLeft = x - clientWidth * 0.2;
    } else {
      this.frame.scrollLeft = this.smoothX(x) - clientWidth * PLAYHEAD;
    }
  }

  /** The place of an audio time in the track; null where nothing is engraved. */
  private xAt(time: number): number | null {
    const bar = this.timeline.barAt(time) ?? this.timeline.bars[0];
    if (!bar) return null;
    let left = 0;
    for (const piece of this.pieces) {
      if (piece.number === bar.piece) {
        const place = piece.engraving?.placeOf(tickAt(bar, time));
        return place ? left + place.x : null;
      }
      left += (piece.engraving?.width ?? 0) + GAP;
    }
    return null;
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
    const piece = this.pieces.find((other) => other.number === bar.piece);
    const notated = piece?.score?.bars.find((other) => other.tick === bar.tick);
    if (!piece || !notated) return;
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

function forget(piece: ShownPiece): void {
  piece.engraving?.remove();
  piece.element.remove();
}

/** The tick that sounds at an audio time in a bar. */
function tickAt(bar: Bar, time: number): number {
  const [tick, from, qpm] = bar.tempos.findLast((tempo) => tempo[1] <= time) ?? [bar.tick, bar.time, 60];
  const now = tick + (Math.max(0, time - from) * qpm * 480) / 60;
  return Math.max(bar.tick, Math.min(now, bar.tick + bar.ticks - 1));
}
