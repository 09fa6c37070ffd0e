/* Plays one excerpt at a time, once all its instruments are there, so that no excerpt sounds otherwise than another. Notes
   are sent to the synthesiser shortly before they sound, so that a stop is heard at once. */

import { midiChannel } from "../music/midi-file";
import type { Excerpt, PairNote, PairVoice } from "../protocol/blind-test";
import type { Needed } from "../sound/instruments";
import type { Synth } from "../sound/synth";

const DELAY = 0.15; // seconds between the tap and the first note
const AHEAD = 0.3; // seconds
const AHEAD_HIDDEN = 1.6; // seconds: on a hidden page timers may be a second late
const RENDER_MARGIN = 0.1; // seconds: sound is rendered less far ahead than notes are scheduled
const RELEASE_MARGIN = 0.004; // seconds: a note ends shortly before the same pitch begins again
const TAIL = 1; // seconds in which the last notes die away

/** A synthesiser whose instruments arrive while it plays. */
interface LoadingSynth extends Synth {
  /** Resolves once all that voices need is there. */
  complete(voices: readonly Needed[]): Promise<void>;
}

/** What the player needs of the audio output. */
export interface Output {
  readonly now: number;
  readonly synth: Promise<LoadingSynth>;
  unlock(): Promise<void>;
  fadeIn(): void;
  fadeOut(afterwards: () => void): void;
}

/** What voices play. */
export function needed(voices: readonly PairVoice[]): Needed[] {
  return voices.map(([, program, drums]) => ({ program, drums }));
}

export class ExcerptPlayer {
  /** What is playing, or waits for the instruments. */
  current: Excerpt | null = null;
  private startedAt: number | null = null;
  private next = 0; // the index of the next note that is scheduled
  private synth: Synth | null = null;
  private channels: readonly number[] = []; // of the voices
  private count = 0; // of plays and stops: shows a play that it was overtaken

  constructor(
    private readonly output: Output,
    private readonly onChange: () => void,
  ) {}

  /** The part of the current excerpt that has been heard, 0 to 1. */
  get progress(): number {
    if (!this.current || this.startedAt === null) return 0;
    return Math.min(1, Math.max(0, (this.output.now - this.startedAt) / this.current.seconds));
  }

  /** Whether the instruments are loaded. */
  get started(): boolean {
    return this.startedAt !== null;
  }

  /** Plays from the beginning. Must be called within the tap.
   *  @throws if the instruments cannot be loaded. */
  async play(excerpt: Excerpt, voices: readonly PairVoice[]): Promise<void> {
    const count = ++this.count;
    this.synth?.silence();
    this.current = excerpt;
    this.startedAt = null;
    this.onChange();
    const unlocked = this.output.unlock();
    try {
      const synth = await this.output.synth;
      await synth.complete(needed(voices));
      this.synth = synth;
      await unlocked;
    } catch (error) {
      if (count === this.count) this.stop();
      throw error;
    }
    if (count !== this.count) return;
    this.output.fadeIn();
    this.next = 0;
    this.startedAt = this.output.now + DELAY;
    this.channels = voices.map(([, , drums], voice) => midiChannel(voice, drums));
    for (const [voice, [, program]] of voices.entries()) {
      this.synth.programChange(this.channels[voice] ?? 0, program, this.output.now);
    }
    this.advance(false);
    this.onChange();
  }

  stop(): void {
    this.count++;
    if (!this.current) return;
    this.current = null;
    this.startedAt = null;
    this.output.fadeOut(() => {
      if (!this.current) this.synth?.silence();
    });
    this.onChange();
  }

  /** To be called about 20 times a second. */
  advance(hidden: boolean): void {
    const { current, startedAt, synth } = this;
    if (!current || startedAt === null || !synth) return;
    const now = this.output.now;
    const ahead = hidden ? AHEAD_HIDDEN : AHEAD;
    for (let note = current.notes[this.next]; note && startedAt + note[3] < now + ahead; note = current.notes[++this.next]) {
      this.schedule(note, startedAt, synth);
    }
    synth.renderAhead(ahead - RENDER_MARGIN);
    if (now > startedAt + current.seconds + TAIL) this.stop();
  }

  private schedule([voice, pitch, velocity, at, seconds]: PairNote, startedAt: number, synth: Synth): void {
    const channel = this.channels[voice] ?? 0;
    synth.noteOn(channel, pitch, velocity, startedAt + at);
    synth.noteOff(channel, pitch, startedAt + at + Math.max(seconds - RELEASE_MARGIN, seconds / 2));
  }
}
