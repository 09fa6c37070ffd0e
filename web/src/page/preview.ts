/* The moving picture before the listener has pressed play: a piece that the network composed earlier, drawn faintly and
   without sound. It runs through once and then rests, and it does not move at all on devices that ask for reduced motion. */

import { Timeline } from "../music/timeline";
import { PianoRoll } from "./piano-roll";
import { PREVIEW_BARS } from "./preview-music";

const ROUNDS = 3; // of the piece on the timeline; the middle one is drawn, so that it has neighbours on both sides
const OPACITY = 0.4;
const START = 0.35; // of the piece: the picture begins where there is much to see
const FRAME = 1 / 30; // seconds

export function previewTimeline(): { timeline: Timeline; seconds: number } {
  const timeline = new Timeline();
  const tick = 480;
  let at = 0;
  for (let piece = 0; piece < ROUNDS; piece++) {
    for (const [bar, { seconds, notes }] of PREVIEW_BARS.entries()) {
      const ticks = tick * 4;
      timeline.addBar({
        type: "bar", piece, bar, at, seconds, tick: bar * ticks, ticks, meter: [4, 4], last: false,
        tempos: [], temperature: 1, held: [], now: 0,
        notes: notes.map(([voice, pitch, time, length, probability]) => ({
          voice, pitch, velocity: 64, tick: 0, ticks: 0, at: at + time / 100, seconds: length / 100,
          chosen: [["", probability / 100, []]],
        })),
      }, 0);
      at += seconds;
    }
  }
  return { timeline, seconds: at / ROUNDS };
}

export class Preview {
  private readonly roll: PianoRoll;
  private readonly seconds: number;
  private running = true;

  constructor(canvas: HTMLCanvasElement) {
    const { timeline, seconds } = previewTimeline();
    this.seconds = seconds;
    this.roll = new PianoRoll(canvas, timeline, { labelled: false, opacity: OPACITY });
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (still) this.roll.draw(this.seconds * (1 + START), 0);
    else this.animate();
  }

  stop(): void {
    this.running = false;
  }

  private animate(): void {
    let [start, drawn] = [Number.NaN, -Infinity];
    const frame = (milliseconds: number): void => {
      if (!this.running) return;
      const time = milliseconds / 1000;
      if (Number.isNaN(start)) start = time;
      const elapsed = Math.min(time - start, this.seconds);
      if (time - drawn >= FRAME || elapsed === this.seconds) {
        drawn = time;
        this.roll.draw(this.seconds * (1 + START) + elapsed, time);
      }
      if (elapsed < this.seconds) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }
}
