/* Plays music of which all is known: from the beginning or from where it was paused, to its end. */

import { Timeline } from "../music/timeline";
import { Scheduler } from "../playback/scheduler";
import type { AudioOutput } from "../sound/audio-output";
import type { Synth } from "../sound/synth";
import { endOf, messagesOf, secondsPerTick, type Music } from "./music";

const FIRST_NOTE_DELAY = 0.12; // seconds
const TICK_INTERVAL = 50; // milliseconds
const AFTER_END = 1; // seconds

export class TunePlayer {
  readonly timeline = new Timeline();
  playing = false;
  private music: Music | null = null;
  private scheduler: Scheduler | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;
  private begin = 0; // the audio time at which the music began, or would have
  private paused = 0; // seconds into the music
  private program: number | null = null;
  private count = 0; // of starts and stops

  constructor(
    private readonly audio: AudioOutput,
    private readonly onChange: () => void,
  ) {}

  get loaded(): Music | null {
    return this.music;
  }

  /** Seconds into the music. */
  get position(): number {
    return this.playing ? Math.max(0, this.audio.audibleTime - this.begin) : this.paused;
  }

  /** The audio time that the roll shows. */
  get shown(): number {
    return this.begin + this.position;
  }

  get tick(): number {
    return this.music ? this.position / secondsPerTick(this.music.tempo) : 0;
  }

  get length(): number {
    return this.music ? endOf(this.music) * secondsPerTick(this.music.tempo) : 0;
  }

  /** The instrument of all voices; null: each voice's own. */
  setProgram(program: number | null): void {
    this.program = program;
  }

  load(music: Music): void {
    this.pause();
    this.music = music;
    this.paused = 0;
    this.fill(0);
    this.onChange();
  }

  /** Plays on. Must be called within the tap. */
  async play(): Promise<void> {
    if (!this.music || this.playing) return;
    const count = ++this.count;
    const unlocked = this.audio.unlock();
    const synth = await this.audio.synth;
    await unlocked;
    if (count !== this.count) return;
    this.start(synth);
  }

  pause(): void {
    this.count++;
    if (!this.playing) return;
    this.paused = this.position < this.length ? this.position : 0;
    this.halt();
  }

  /** To be called on another thing that is heard, so that both are not heard at once. */
  stop(): void {
    this.pause();
    this.paused = 0;
    this.onChange();
  }

  private start(synth: Synth): void {
    this.audio.fadeIn();
    this.begin = this.audio.now + FIRST_NOTE_DELAY - this.paused;
    this.fill(this.begin);
    for (const bar of this.timeline.bars) {
      for (const note of bar.notes) note.scheduled = note.time < this.begin + this.paused - 0.001;
    }
    this.scheduler = new Scheduler(synth, this.timeline, () => this.program);
    this.playing = true;
    this.timer = setInterval(() => this.advance(), TICK_INTERVAL);
    this.advance();
    this.onChange();
  }

  private halt(): void {
    clearInterval(this.timer);
    this.playing = false;
    this.scheduler?.silence();
    this.begin = this.audio.now - this.paused;
    this.fill(this.begin);
    this.onChange();
  }

  private advance(): void {
    this.scheduler?.advance(this.audio.now, document.hidden);
    if (this.position < this.length + AFTER_END) return;
    this.paused = 0;
    this.count++;
    this.halt();
  }

  private fill(offset: number): void {
    this.timeline.clear();
    if (!this.music) return;
    const { piece, bars, end } = messagesOf(this.music);
    this.timeline.addPiece(piece);
    for (const bar of bars) this.timeline.addBar(bar, offset);
    this.timeline.addEnd(end, offset);
  }
}
