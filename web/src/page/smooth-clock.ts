/* An audio clock for drawing. The real one advances in steps; this one advances evenly, frame by frame, and is corrected
   gradually. All times are in seconds. */

const LARGEST_JITTER = 0.12; // a larger difference is a jump in the music
const CORRECTION = 0.04; // the fraction of the difference that one frame corrects

export class SmoothClock {
  private time = Number.NaN;
  private lastFrame = 0;

  /** The smoothed audio time. `frame` is the time of this frame on any even clock. */
  at(audio: number, frame: number): number {
    const next = this.time + (frame - this.lastFrame);
    const difference = audio - next;
    const jumped = Number.isNaN(next) || Math.abs(difference) > LARGEST_JITTER;
    this.time = jumped ? audio : next + difference * CORRECTION;
    this.lastFrame = frame;
    return this.time;
  }
}
