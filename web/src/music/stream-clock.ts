/* How the stream's seconds lie on the audio clock. They are laid beside each other once, at the first bar; two clocks of two
   machines then drift apart by some hundredths of a second an hour, which is mended in the breath between two pieces, where
   nobody hears it. Also a clock for the eye, since the audio clock moves in steps.

   Knows nothing of messages or notes. All times are in seconds. */

const SAMPLES = 12; // bars, of which the one that travelled fastest counts
const INAUDIBLE = 0.02;
const MOST_MENDED = 0.5; // in one breath

export class StreamClock {
  private offset = Number.NaN; // audio time - stream time, as it is played
  private wanted = Number.NaN; // offset - (audio time - the server's now), at the beginning
  private samples: number[] = [];

  get laid(): boolean {
    return !Number.isNaN(this.offset);
  }

  /** From here on the stream's second `at` is heard at the audio clock's second `audio`. */
  lay(at: number, audio: number): void {
    this.offset = audio - at;
    this.samples = [];
    this.wanted = Number.NaN;
  }

  toAudio(at: number): number {
    return at + this.offset;
  }

  toStream(audio: number): number {
    return audio - this.offset;
  }

  /** The server's stream clock, `now`, came in at `audio`: late by the way it took, which is never less than nothing. */
  observe(now: number, audio: number): void {
    this.samples.push(audio - now);
    if (this.samples.length > SAMPLES) this.samples.shift();
    if (Number.isNaN(this.wanted)) this.wanted = this.offset - (audio - now);
    else if (this.samples.length < SAMPLES) this.wanted = Math.max(this.wanted, this.offset - (audio - now));
  }

  /** Everything from here on is heard later by so much: what came was too late. */
  delay(seconds: number): void {
    this.offset += seconds;
  }

  /** To be called between two pieces: closes the gap that has opened between the clocks, as far as that is inaudible.
   *  Gives the seconds by which what follows is moved. */
  mend(): number {
    if (this.samples.length < SAMPLES) return 0;
    const drift = Math.min(...this.samples) + this.wanted - this.offset;
    if (Math.abs(drift) < INAUDIBLE) return 0;
    const moved = Math.max(-MOST_MENDED, Math.min(MOST_MENDED, drift));
    this.offset += moved;
    return moved;
  }
}
