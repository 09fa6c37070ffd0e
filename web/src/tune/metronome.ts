/* A metronome on the audio clock: beats and bars from a first downbeat on, and the time of a press of a key. */

import type { AudioOutput } from "../sound/audio-output";
import type { Sounds } from "./sounds";

export interface Beat {
  /** Quarter notes a minute. */
  readonly tempo: number;
  readonly meter: readonly [numerator: number, denominator: number];
}

const AHEAD = 0.3; // seconds: clicks are scheduled so far ahead
const TICK_INTERVAL = 15; // milliseconds
const FIRST_BEAT_DELAY = 0.25; // seconds

export class Metronome {
  /** The audio time of the first downbeat. */
  readonly begin: number;
  /** Seconds. */
  readonly sixteenth: number;
  readonly bar: number;
  private readonly beat: number;
  private readonly timer: ReturnType<typeof setInterval>;
  private nextClick = 0; // counts beats

  /** `onTick` is called often, with the audio time that is heard. */
  constructor(
    private readonly audio: AudioOutput,
    private readonly sounds: Sounds,
    { tempo, meter: [numerator, denominator] }: Beat,
    private readonly isHeard: () => boolean,
    onTick: (time: number) => void,
  ) {
    this.begin = audio.now + FIRST_BEAT_DELAY;
    this.sixteenth = 15 / tempo;
    this.bar = (this.sixteenth * 16 * numerator) / denominator;
    this.beat = (this.sixteenth * 16) / denominator;
    this.timer = setInterval(() => {
      this.schedule();
      onTick(audio.audibleTime);
    }, TICK_INTERVAL);
    this.schedule();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** The audio time that was heard at a time of performance.now(). */
  timeOf(milliseconds: number): number {
    return this.audio.audibleTime - Math.max(0, performance.now() - milliseconds) / 1000;
  }

  private schedule(): void {
    for (;;) {
      const time = this.begin + this.nextClick * this.beat;
      if (time > this.audio.now + AHEAD) return;
      const inBar = (this.nextClick * this.beat) % this.bar;
      const isDownbeat = inBar < this.beat / 2 || inBar > this.bar - this.beat / 2;
      if (this.isHeard() && time > this.audio.now - 0.02) this.sounds.click(time, isDownbeat);
      this.nextClick++;
    }
  }
}
