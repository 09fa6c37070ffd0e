/* The piano roll: time to the right, pitch upwards, a colour for each voice; what sounds now stands at the playhead, what
   is known of the future is paler. A note that the network was sure of is solid, one that it was unsure of is pale, and
   one of which it had no clue is only an outline. It moves as evenly as frames come; for people who want no motion it
   is turned like a page.

   Knows the timeline; knows nothing of the server. */

import { SmoothClock } from "./smooth-clock";
import type { Bar, Note, Timeline } from "../music/timeline";

/** Where no symbol had more than this, the network had no clue; the same bound as on the command line. */
export const NO_CLUE = 0.25;
const SURE = 0.75;
const VOICES = 8;
const BEFORE = 0.7; // share of the width that is past
const SECONDS_ACROSS = [7, 14] as const; // on a phone, on a desktop
const LEAST_SEMITONES = 26;
const EASE = 0.05; // share of the way to the wanted range of pitches in a frame
const BLACK = new Set([1, 3, 6, 8, 10]);
const LABELS = 26; // pixels at the left

type Colours = Record<"paper" | "key" | "grid" | "bar" | "soft" | "playhead", string> & { readonly voices: string[] };

interface View {
  readonly from: number; // audio time at the left edge
  readonly perSecond: number; // pixels
  readonly now: number;
}

/** 0 to 1: how solid a note is drawn. */
export function solidity(probability: number): number {
  return Math.max(0, Math.min(1, (probability - NO_CLUE) / (SURE - NO_CLUE)));
}

export class Roll {
  private readonly context: CanvasRenderingContext2D;
  private readonly smooth = new SmoothClock();
  private readonly calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  private colours: Colours;
  private width = 0;
  private height = 0;
  private lowest = 48;
  private highest = 79;
  private now = 0; // audio time at the playhead
  private page = 0; // audio time at which the page begins, where nothing moves

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly timeline: Timeline,
  ) {
    const context = canvas.getContext("2d", { alpha: false });
    if (!context) throw new Error("this browser draws no pictures");
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

  /** Draws what is heard at the audio time `heard`; `frame` is this frame's time in seconds. */
  draw(heard: number, frame: number): void {
    this.now = this.smooth.at(heard, frame);
    this.paint();
  }

  private paint(): void {
    const { now } = this;
    const across = this.width < 600 ? SECONDS_ACROSS[0] : SECONDS_ACROSS[1];
    const view = { from: this.calm.matches ? this.turned(now, across) : now - across * BEFORE, now,
                   perSecond: this.width / across };
    const notes = [...this.timeline.between(view.from, view.from + across)];
    this.range(notes.map(({ note }) => note.pitch));
    this.ground(view, across);
    for (const { note } of notes) this.note(note, view);
    this.labels();
    this.head(view);
  }

  private turned(now: number, across: number): number {
    if (now < this.page || now > this.page + across * 0.92) this.page = now - across * 0.05;
    return this.page;
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

  /** Moves the range of pitches softly to what is to be seen. */
  private range(pitches: number[]): void {
    if (!pitches.length) return;
    let [low, high] = [Math.min(...pitches) - 2, Math.max(...pitches) + 2];
    const missing = Math.max(0, LEAST_SEMITONES - (high - low));
    low -= missing / 2;
    high += missing / 2;
    const ease = this.calm.matches ? 1 : EASE;
    this.lowest += (low - this.lowest) * ease;
    this.highest += (high - this.highest) * ease;
  }

  private get row(): number {
    return this.height / (this.highest - this.lowest + 1);
  }

  private y(pitch: number): number {
    return (this.highest - pitch) * this.row;
  }

  private ground(view: View, across: number): void {
    const { context: c, colours } = this;
    c.globalAlpha = 1;
    c.fillStyle = colours.paper;
    c.fillRect(0, 0, this.width, this.height);
    c.fillStyle = colours.key;
    for (let pitch = Math.floor(this.lowest); pitch <= this.highest + 1; pitch++) {
      if (BLACK.has(((pitch % 12) + 12) % 12)) c.fillRect(0, this.y(pitch), this.width, this.row);
    }
    c.fillStyle = colours.grid;
    for (let pitch = Math.ceil(this.lowest / 12) * 12; pitch <= this.highest + 1; pitch += 12) {
      c.fillRect(0, Math.round(this.y(pitch) + this.row), this.width, 1);
    }
    c.font = "11px system-ui, sans-serif";
    for (const bar of this.timeline.bars) {
      if (bar.time + bar.seconds < view.from || bar.time > view.from + across) continue;
      for (const time of beats(bar)) this.upright(time, view, colours.grid);
      this.upright(bar.time, view, colours.bar);
      if (bar.last) this.upright(bar.time + bar.seconds, view, colours.bar);
      c.fillStyle = colours.soft;
      if (bar.bar) c.fillText(String(bar.bar), this.x(bar.time, view) + 5, 14);
    }
  }

  private x(time: number, view: View): number {
    return (time - view.from) * view.perSecond;
  }

  private upright(time: number, view: View, colour: string): void {
    this.context.fillStyle = colour;
    this.context.fillRect(this.x(time, view), 0, 1, this.height);
  }

  private note(note: Note, view: View): void {
    const { context: c } = this;
    const x = this.x(note.time, view);
    const width = Math.max(3, note.seconds * view.perSecond - 1.5);
    const height = Math.max(4, this.row * 0.82);
    const y = this.y(note.pitch) + (this.row - height) / 2;
    const sounds = note.time <= view.now && view.now < note.time + note.seconds;
    const sure = note.chosen[0]?.[1] ?? 1;
    const solid = solidity(sure);
    const presence = note.time > view.now ? 0.5 : 1;
    const colour = this.colours.voices[note.voice % VOICES] ?? this.colours.soft;
    c.fillStyle = c.strokeStyle = colour;
    c.beginPath();
    c.roundRect(x + 0.75, y, width, height, Math.min(height / 2.4, width / 2));
    c.globalAlpha = presence * (sure < NO_CLUE ? 0.07 : 0.22 + 0.72 * solid);
    c.fill();
    c.globalAlpha = presence * 0.9;
    c.setLineDash(sure < NO_CLUE ? [3, 2.5] : []);
    c.lineWidth = 1.3;
    c.stroke();
    if (sounds) {
      c.setLineDash([]);
      c.globalAlpha = 0.28;
      c.lineWidth = 5;
      c.stroke();
    }
    c.setLineDash([]);
    c.globalAlpha = 1;
  }

  private labels(): void {
    const { context: c } = this;
    const fade = c.createLinearGradient(0, 0, LABELS * 2, 0);
    fade.addColorStop(0, this.colours.paper);
    fade.addColorStop(0.5, this.colours.paper);
    fade.addColorStop(1, transparent(this.colours.paper));
    c.fillStyle = fade;
    c.fillRect(0, 0, LABELS * 2, this.height);
    c.fillStyle = this.colours.soft;
    c.font = "11px system-ui, sans-serif";
    for (let pitch = Math.ceil(this.lowest / 12) * 12; pitch <= this.highest; pitch += 12) {
      c.fillText(`C${pitch / 12 - 1}`, 8, this.y(pitch) + this.row / 2 + 4);
    }
  }

  private head(view: View): void {
    if (!this.timeline.bars.length) return;
    this.context.fillStyle = this.colours.playhead;
    this.context.fillRect(this.x(view.now, view) - 0.75, 0, 1.5, this.height);
  }
}

/** The audio times of a bar's beats, without the first. */
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
    voices: Array.from({ length: VOICES }, (_, i) => read(`voice-${i}`)),
  };
}

/** A colour written #rrggbb, seen through. */
function transparent(colour: string): string {
  return `${colour}00`;
}
