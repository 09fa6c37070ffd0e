/* The sound of keys that are pressed, and of a metronome. */

import type { AudioOutput } from "../sound/audio-output";
import type { Synth } from "../sound/synth";
import { CHOIR } from "./music";

const CHANNEL = 15; // the last one, which no voice has
const CLICK_SECONDS = 0.04;

export class Sounds {
  private synth: Synth | null = null;
  private program = CHOIR;

  constructor(private readonly audio: AudioOutput) {
    audio.synth.then(
      (synth) => {
        this.synth = synth;
        synth.programChange(CHANNEL, this.program, 0);
      },
      () => undefined, // said when something is played
    );
  }

  /** The instrument of the keys. */
  setProgram(program: number): void {
    this.program = program;
    this.synth?.programChange(CHANNEL, program, 0);
  }

  /** Begins a note now. Must be called within a tap or a press of a key, before the first sound. */
  begin(pitch: number, velocity: number): void {
    if (this.audio.context.state !== "running") void this.audio.unlock();
    this.audio.fadeIn();
    this.synth?.noteOn(CHANNEL, pitch, velocity, this.audio.now);
    this.synth?.renderAhead(0.1);
  }

  end(pitch: number): void {
    this.synth?.noteOff(CHANNEL, pitch, this.audio.now);
  }

  /** A short note. */
  touch(pitch: number, seconds = 0.35): void {
    this.begin(pitch, 80);
    this.synth?.noteOff(CHANNEL, pitch, this.audio.now + seconds);
  }

  /** Clicks at an audio time; a downbeat is higher. */
  click(time: number, isDownbeat: boolean): void {
    const { context } = this.audio;
    const at = Math.max(time, context.currentTime);
    const tone = new OscillatorNode(context, { frequency: isDownbeat ? 1760 : 1174.66 });
    const gain = new GainNode(context, { gain: 0 });
    gain.gain.setValueAtTime(0.12, at);
    gain.gain.exponentialRampToValueAtTime(0.0005, at + CLICK_SECONDS);
    tone.connect(gain).connect(context.destination);
    tone.start(at);
    tone.stop(at + CLICK_SECONDS);
  }
}
