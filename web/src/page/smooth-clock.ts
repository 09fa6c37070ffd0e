/* A clock for the eye, since the audio clock moves in steps. All times are in seconds. */

const JUMP = 0.12; // what is further off than this is no jitter
const PULL = 0.04; // share of the difference that is closed in a frame

/** The audio clock for the eye: it moves as evenly as frames do, and is drawn softly towards the real one. */
export class SmoothClock {
  private time = Number.NaN;
  private seen = 0;

  /** `frame` is the time of this frame, by any even clock. */
  at(audio: number, frame: number): number {
    const next = this.time + (frame - this.seen);
    const off = audio - next;
    this.time = Number.isNaN(next) || Math.abs(off) > JUMP ? audio : next + off * PULL;
    this.seen = frame;
    return this.time;
  }
}
