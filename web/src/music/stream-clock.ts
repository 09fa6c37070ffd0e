/* Converts between stream time and audio time, both in seconds. The two are aligned once, at the first bar. Afterwards the
   clocks of the server and of this device drift apart by some hundredths of a second an hour; that drift is corrected in the
   silence between two pieces, where it cannot be heard. */

const SAMPLES = 12; // bars, of which the one that arrived fastest counts
const NEGLIGIBLE_DRIFT = 0.02; // seconds
const LARGEST_CORRECTION = 0.5; // seconds, in one silence

export class StreamClock {
  private offset = Number.NaN; // audio time - stream time
  private initialLag = Number.NaN; // how far playback was behind the server's clock when the clocks were aligned
  private samples: number[] = []; // audio time - server time, of the latest bars

  get aligned(): boolean {
    return !Number.isNaN(this.offset);
  }

  /** From now on the stream time `stream` is played at the audio time `audio`. */
  align(stream: number, audio: number): void {
    this.offset = audio - stream;
    this.samples = [];
    this.initialLag = Number.NaN;
  }

  toAudio(stream: number): number {
    return stream + this.offset;
  }

  toStream(audio: number): number {
    return audio - this.offset;
  }

  /** Records that the server sent a message at its stream time `server`, and that it arrived at the audio time `audio`. */
  observe(server: number, audio: number): void {
    this.samples.push(audio - server);
    if (this.samples.length > SAMPLES) this.samples.shift();
    const lag = this.offset - (audio - server);
    if (Number.isNaN(this.initialLag)) this.initialLag = lag;
    else if (this.samples.length < SAMPLES) this.initialLag = Math.max(this.initialLag, lag);
  }

  /** Plays everything from now on later, since a bar arrived too late. */
  delay(seconds: number): void {
    this.offset += seconds;
  }

  /** Corrects the drift between the clocks. To be called between two pieces.
   *  @returns the seconds by which the music that follows is delayed. */
  correctDrift(): number {
    if (this.samples.length < SAMPLES) return 0;
    const drift = Math.min(...this.samples) + this.initialLag - this.offset;
    if (Math.abs(drift) < NEGLIGIBLE_DRIFT) return 0;
    const correction = Math.max(-LARGEST_CORRECTION, Math.min(LARGEST_CORRECTION, drift));
    this.offset += correction;
    return correction;
  }
}
