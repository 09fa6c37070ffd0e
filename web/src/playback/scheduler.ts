/* Sends the notes of the timeline to the synthesiser shortly before they sound, each with its time on the audio clock. Late
   timers and a slow network therefore do no harm, and a bar can still be replaced until shortly before it begins. */

import { midiChannel } from "../music/midi-file";
import type { Bar, Note, Timeline } from "../music/timeline";
import type { Synth } from "../sound/synth";

const AHEAD = 0.3; // seconds: less than the server leaves between a change and the first bar that it affects
const AHEAD_HIDDEN = 1.6; // seconds: on a hidden page timers may be a second late
const RENDER_MARGIN = 0.1; // seconds: sound is rendered less far ahead than notes are scheduled
const RELEASE_MARGIN = 0.004; // seconds: a note ends shortly before the same pitch begins again
const FORGOTTEN = 30; // seconds: no bar that ended longer ago has notes left to start

interface SoundingNote {
  readonly note: Note;
  readonly channel: number;
}

/** Whether a voice of a piece is heard. */
export type IsHeard = (piece: number, voice: number) => boolean;

/** The listener's instrument in a bar. Null means each voice's own. */
export type ProgramAt = (piece: number, bar: number) => number | null;

export class Scheduler {
  private sounding: SoundingNote[] = [];
  private programs: number[] = []; // the current program of each channel
  private muted: boolean[] = []; // of each channel

  constructor(
    private readonly synth: Synth,
    private readonly timeline: Timeline,
    private readonly programAt: ProgramAt,
    private readonly isHeard: IsHeard = () => true,
  ) {}

  /** To be called about 20 times a second. */
  advance(now: number, hidden: boolean): void {
    const ahead = hidden ? AHEAD_HIDDEN : AHEAD;
    const until = now + ahead;
    for (const bar of this.timeline.bars) {
      if (bar.time >= until) break;
      if (bar.time + bar.seconds < now - FORGOTTEN) continue;
      for (const note of bar.notes) if (!note.scheduled && note.time < until) this.startNote(bar, note, now);
    }
    this.sounding = this.sounding.filter((sounding) => !this.endNote(sounding, until));
    this.synth.renderAhead(ahead - RENDER_MARGIN);
  }

  /** Applies a change of instrument; it is heard from the next note on. */
  instrumentChanged(bar: Bar, now: number): void {
    const voices = this.timeline.pieces.get(bar.piece)?.message.voices ?? [];
    for (const voice of voices.keys()) this.setProgram(voice, bar, now);
  }

  /** Mutes and unmutes the channels of a piece where that has changed; it is heard at once. Voices that share a channel are
   *  heard together. */
  applyMix(piece: number): void {
    const voices = this.timeline.pieces.get(piece)?.message.voices ?? [];
    const heard = new Map<number, boolean>();
    for (const [voice, { drums }] of voices.entries()) {
      const channel = midiChannel(voice, drums);
      heard.set(channel, (heard.get(channel) ?? false) || this.isHeard(piece, voice));
    }
    for (const [channel, isHeard] of heard) this.setMuted(channel, !isHeard);
  }

  silence(): void {
    this.sounding = [];
    this.programs = [];
    this.synth.silence();
  }

  private setMuted(channel: number, muted: boolean): void {
    if ((this.muted[channel] ?? false) === muted) return;
    this.muted[channel] = muted;
    this.synth.setMuted(channel, muted);
  }

  private startNote(bar: Bar, note: Note, now: number): void {
    note.scheduled = true;
    if (note.time + note.seconds <= now) return;
    const channel = this.setProgram(note.voice, bar, note.time);
    this.synth.noteOn(channel, note.pitch, note.velocity, note.time);
    this.sounding.push({ note, channel });
  }

  /** Sets the program of a voice's channel where it differs.
   *  @returns the channel. */
  private setProgram(voice: number, bar: Bar, time: number): number {
    const { program: own = 0, drums = false } = this.timeline.pieces.get(bar.piece)?.message.voices[voice] ?? {};
    const channel = midiChannel(voice, drums);
    const program = drums ? own : (this.programAt(bar.piece, bar.bar) ?? own);
    if (this.programs[channel] !== program) {
      this.programs[channel] = program;
      this.synth.programChange(channel, program, time - RELEASE_MARGIN);
    }
    return channel;
  }

  /** Schedules the end of a note if it lies before `until`.
   *  @returns whether it does. */
  private endNote({ note, channel }: SoundingNote, until: number): boolean {
    const end = note.time + note.seconds;
    if (end >= until) return false;
    this.synth.noteOff(channel, note.pitch, Math.max(note.time, end - RELEASE_MARGIN));
    return true;
  }
}
