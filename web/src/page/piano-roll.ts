/* The piano roll. Time runs to the right and pitch upwards; each voice has a colour. Notes to the right of the playhead are
   still to come and are paler. A note is solid where the network was sure, pale where it was unsure, and a dashed outline
   where it had no clue; muted voices are faint. The roll scrolls evenly; if the device asks for reduced motion, it turns
   pages instead. */

import type { Bar, Note, Timeline } from "../music/timeline";
import type { IsHeard } from "../playback/scheduler";
import { SmoothClock } from "./smooth-clock";
import { VOICE_COLOURS } from "./voice-colours";

/** A note whose symbol had a lower probability than this is drawn as an outline: the network had no clue. */
export const NO_CLUE = 0.25;
const SURE = 0.75; // a note of this probability or more is drawn solid
const PLAYHEAD = 0.7; // its place, as a fraction of the width
const SECONDS_ACROSS = [7, 14] as const; // on a phone, on a desktop
const LEAST_SEMITONES = 26; // the smallest range of pitches
const EASE = 0.05; // the fraction of the way to the new range of pitches that one frame covers
const BLACK_KEYS = new Set([1, 3, 6, 8, 10]);
const LABEL_WIDTH = 26; // pixels
const LABEL_HEIGHT = 11; // pixels
const MUTED = 0.2; // opacity

type Colours = Record<"paper" | "key" | "grid" | "bar" | "soft" | "playhead", string> & { readonly voices: string[] };

interface View {
  readonly from: number; // audio time at the left edge
  readonly perSecond: number; // pixels
  readonly now: number;
}

/** How solid a note of this probability is drawn, 0 to 1. */
export function solidity(probability: number): number {
  return Math.max(0, Math.min(1, (probability - NO_CLUE) / (SURE - NO_CLUE)));
}

export interface RollOptions {
  /** Whether pitches and bars have labels. */
  readonly labelled?: boolean;
  /** The opacity of all notes. */
  readonly opacity?: number;
  readonly isHeard?: IsHeard;
}

export class PianoRoll {
  private readonly context: CanvasRenderingContext2D;
  private readonly smooth = new SmoothClock();
  private readonly reducedMotion = window.matchMedia("(prefers-reduced-motion: reduce)");
  private colours: Colours;
  private width = 0;
  private height = 0;
  private lowest = 48;
  private highest = 79;
  private now = 0; // audio time at the playhead
  private pageStart = 0; // audio time at the left edge, with reduced motion

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly timeline: Timeline,
    private readonly options: RollOptions = {},
  ) {
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("this browser cannot draw on a 2D canvas");
    this.context = context;
    this.colours = readColours();
    new ResizeObserver(() => this.resize()).observe(canvas);
    const dark = window.matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => {
      this.colours = readColours();
      this.paint();
    });
    this.resize();
  }

  /** Draws the music at the audio time `audible`. `frame` is the time of this frame in seconds. */
  draw(audible: number, frame: number): void {
    this.now = this.smooth.at(audible, frame);
    this.paint();
  }

  private paint(): void {
    const { now } = this;
    const across = this.width < 600 ? SECONDS_ACROSS[0] : SECONDS_ACROSS[1];
    const view = { from: this.reducedMotion.matches ? this.turnPage(now, across) : now - across * PLAYHEAD, now,
                   perSecond: this.width / across };
    const notes = [...this.timeline.notesBetween(view.from, view.from + across)];
    this.adjustRange(notes.map(({ note }) => note.pitch));
    this.drawBackground(view, across);
    for (const { bar, note } of notes) this.drawNote(note, view, this.opacity(bar.piece, note.voice));
    if (this.options.labelled ?? true) this.drawLabels();
    this.drawPlayhead(view);
  }

  private opacity(piece: number, voice: number): number {
    const heard = this.options.isHeard?.(piece, voice) ?? true;
    return (this.options.opacity ?? 1) * (heard ? 1 : MUTED);
  }

  /** The audio time at the left edge, with reduced motion. */
  private turnPage(now: number, across: number): number {
    if (now < this.pageStart || now > this.pageStart + across * 0.92) this.pageStart = now - across * 0.05;
    return this.pageStart;
  }

  private resize(): void {
    const scale = Math.min(3, window.devicePixelRatio || 1);
    this.width = this.canvas.clientWidth;
    this.height = this.canvas.clientHeight;
    this.canvas.width = Math.max(1, Math.round(this.width * scale));
    this.canvas.height = Math.max(1, Math.round(this.height * scale));
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    this.paint();
  }

  /** Moves the range of pitches gradually towards what the notes need. */
  private adjustRange(pitches: number[]): void {
    if (!pitches.length) return;
    let low = Math.min(...pitches) - 2;
    let high = Math.max(...pitches) + 2;
    const missing = Math.max(0, LEAST_SEMITONES - (high - low));
    low -= missing / 2;
    high += missing / 2;
    const ease = this.reducedMotion.matches ? 1 : EASE;
    this.lowest += (low - this.lowest) * ease;
    this.highest += (high - this.highest) * ease;
  }

  private get rowHeight(): number {
    return this.height / (this.highest - this.lowest + 1);
  }

  private y(pitch: number): number {
    return (this.highest - pitch) * this.rowHeight;
  }

  private drawBackground(view: View, across: number): void {
    const { context: c, colours } = this;
    c.globalAlpha = 1;
    c.fillStyle = colours.paper;
    c.fillRect(0, 0, this.width, this.height);
    c.fillStyle = colours.key;
    for (let pitch = Math.floor(this.lowest); pitch <= this.highest + 1; pitch++) {
      if (BLACK_KEYS.has(((pitch % 12) + 12) % 12)) c.fillRect(0, this.y(pitch), this.width, this.rowHeight);
    }
    c.fillStyle = colours.grid;
    for (let pitch = Math.ceil(this.lowest / 12) * 12; pitch <= this.highest + 1; pitch += 12) {
      c.fillRect(0, Math.round(this.y(pitch) + this.rowHeight), this.width, 1);
    }
    c.font = "11px system-ui, sans-serif";
    for (const bar of this.timeline.bars) {
      if (bar.time + bar.seconds < view.from || bar.time > view.from + across) continue;
      for (const time of beats(bar)) this.drawVertical(time, view, colours.grid);
      this.drawVertical(bar.time, view, colours.bar);
      if (bar.last) this.drawVertical(bar.time + bar.seconds, view, colours.bar);
      c.fillStyle = colours.soft;
      if (bar.bar && (this.options.labelled ?? true)) c.fillText(String(bar.bar), this.x(bar.time, view) + 5, 14);
    }
  }

  private x(time: number, view: View): number {
    return (time - view.from) * view.perSecond;
  }

  private drawVertical(time: number, view: View, colour: string): void {
    this.context.fillStyle = colour;
    this.context.fillRect(this.x(time, view), 0, 1, this.height);
  }

  private drawNote(note: Note, view: View, visibility: number): void {
    const { context: c } = this;
    const x = this.x(note.time, view);
    const width = Math.max(3, note.seconds * view.perSecond - 1.5);
    const height = Math.max(4, this.rowHeight * 0.82);
    const y = this.y(note.pitch) + (this.rowHeight - height) / 2;
    const sounding = note.time <= view.now && view.now < note.time + note.seconds;
    const probability = note.chosen[0]?.[1] ?? 1;
    const opacity = visibility * (note.time > view.now ? 0.5 : 1);
    const colour = this.colours.voices[note.voice % VOICE_COLOURS] ?? this.colours.soft;
    c.fillStyle = c.strokeStyle = colour;
    c.beginPath();
    c.roundRect(x + 0.75, y, width, height, Math.min(height / 2.4, width / 2));
    c.globalAlpha = opacity * (probability < NO_CLUE ? 0.07 : 0.22 + 0.72 * solidity(probability));
    c.fill();
    c.globalAlpha = opacity * 0.9;
    c.setLineDash(probability < NO_CLUE ? [3, 2.5] : []);
    c.lineWidth = 1.3;
    c.stroke();
    if (sounding) {
      c.setLineDash([]);
      c.globalAlpha = visibility * 0.28;
      c.lineWidth = 5;
      c.stroke();
    }
    c.setLineDash([]);
    c.globalAlpha = 1;
  }

  private drawLabels(): void {
    const { context: c } = this;
    const fade = c.createLinearGradient(0, 0, LABEL_WIDTH * 2, 0);
    fade.addColorStop(0, this.colours.paper);
    fade.addColorStop(0.5, this.colours.paper);
    fade.addColorStop(1, transparent(this.colours.paper));
    c.fillStyle = fade;
    c.fillRect(0, 0, LABEL_WIDTH * 2, this.height);
    c.fillStyle = this.colours.soft;
    c.font = "11px system-ui, sans-serif";
    for (let pitch = Math.ceil(this.lowest / 12) * 12; pitch <= this.highest; pitch += 12) {
      const y = this.y(pitch) + this.rowHeight / 2 + 4;
      if (y > LABEL_HEIGHT && y < this.height - 4) c.fillText(`C${pitch / 12 - 1}`, 8, y);
    }
  }

  private drawPlayhead(view: View): void {
    if (!this.timeline.bars.length || this.options.opacity !== undefined) return;
    this.context.fillStyle = this.colours.playhead;
    this.context.fillRect(this.x(view.now, view) - 0.75, 0, 1.5, this.height);
  }
}

/** The audio times of a bar's beats, except the first. */
function beats(bar: Bar): number[] {
  const beat = 1920 / bar.meter[1];
  const times: number[] = [];
  for (let tick = bar.tick + beat; tick < bar.tick + bar.ticks - 1; tick += beat) times.push(timeOf(bar, tick));
  return times;
}

function timeOf(bar: Bar, tick: number): number {
  const tempo = bar.tempos.findLast(([from]) => from <= tick);
  if (!tempo) return bar.time + (bar.seconds * (tick - bar.tick)) / Math.max(1, bar.ticks);
  const [from, time, qpm] = tempo;
  return time + ((tick - from) / 480) * (60 / qpm);
}

function readColours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const read = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return {
    paper: read("paper"), key: read("key"), grid: read("grid"), bar: read("bar"),
    soft: read("soft"), playhead: read("playhead"),
    voices: Array.from({ length: VOICE_COLOURS }, (_, i) => read(`voice-${i}`)),
  };
}

/** A colour of the form #rrggbb, made fully transparent. */
function transparent(colour: string): string {
  return `${colour}00`;
}
