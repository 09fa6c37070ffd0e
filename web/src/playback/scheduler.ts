/* Hands the notes of the timeline to the synthesiser shortly before they sound, each with its time on the audio clock; so a
   late timer or a slow network changes nothing, and a bar that is replaced in time was not handed over yet.

   Knows the timeline and the synthesiser; knows nothing of the server. */

import { midiChannel } from "../music/midi-file";
import type { Synth } from "../sound/synth";
import type { Bar, Note, Timeline } from "../music/timeline";

const AHEAD = 0.3; // seconds, less than the server leaves between a change and what it changes
const AHEAD_HIDDEN = 1.6; // of a page that is not shown, whose timers may come a second late
const RENDERED = 0.1; // less: what must be ready as sound
const BEFORE_OFF = 0.004; // a note ends a moment before the same pitch begins again

interface Sounding {
  readonly note: Note;
  readonly channel: number;
}

/** The listener's instrument at a bar, or null for the voice's own. */
export type ProgramAt = (piece: number, bar: number) => number | null;

export class Scheduler {
  private sounding: Sounding[] = [];
  private programs: number[] = []; // of each channel, as the synthesiser has it

  constructor(
    private readonly synth: Synth,
    private readonly timeline: Timeline,
    private readonly programAt: ProgramAt,
  ) {}

  /** To be called some 20 times a second. */
  advance(now: number, hidden: boolean): void {
    const ahead = hidden ? AHEAD_HIDDEN : AHEAD;
    const until = now + ahead;
    for (const bar of this.timeline.bars) {
      if (bar.time >= until) break;
      if (bar.time + bar.seconds < now - 30) continue;
      for (const note of bar.notes) if (!note.sent && note.time < until) this.begin(bar, note, now);
    }
    this.sounding = this.sounding.filter((sounding) => !this.ended(sounding, until));
    this.synth.advance(ahead - RENDERED);
  }

  /** The listener's instrument is another one: heard with the next note. */
  retune(bar: Bar, now: number): void {
    const voices = this.timeline.pieces.get(bar.piece)?.piece.voices ?? [];
    for (const voice of voices.keys()) this.tune(voice, bar, now);
  }

  silence(): void {
    this.sounding = [];
    this.programs = [];
    this.synth.silence();
  }

  private begin(bar: Bar, note: Note, now: number): void {
    note.sent = true;
    if (note.time + note.seconds <= now) return;
    const channel = this.tune(note.voice, bar, note.time);
    this.synth.noteOn(channel, note.pitch, note.velocity, note.time);
    this.sounding.push({ note, channel });
  }

  private tune(voice: number, bar: Bar, time: number): number {
    const { program: own = 0, drums = false } = this.timeline.pieces.get(bar.piece)?.piece.voices[voice] ?? {};
    const channel = midiChannel(voice, drums);
    const program = drums ? own : (this.programAt(bar.piece, bar.bar) ?? own);
    if (this.programs[channel] !== program) {
      this.programs[channel] = program;
      this.synth.program(channel, program, time - BEFORE_OFF);
    }
    return channel;
  }

  private ended({ note, channel }: Sounding, until: number): boolean {
    const end = note.time + note.seconds;
    if (end >= until) return false;
    this.synth.noteOff(channel, note.pitch, Math.max(note.time, end - BEFORE_OFF));
    return true;
  }
}
