/* A duet: tells the server what the player does at each step of a metronome, and plays what the other voices answer. */

import { midiChannel } from "../music/midi-file";
import type { DuetAnswer } from "../protocol/messages";
import type { AudioOutput } from "../sound/audio-output";
import type { Synth } from "../sound/synth";
import { DuetConnection } from "./duet-connection";
import { DuetSteps, type PlayedStep } from "./duet-steps";
import { LiveRoll } from "./live-roll";
import { Metronome, type Beat } from "./metronome";
import type { Sounds } from "./sounds";

export interface DuetOptions extends Beat {
  /** The length of a step in sixteenths. */
  readonly grid: number;
  readonly program: number;
}

export interface DuetLatency {
  /** From the press of a key until the other voices' sound is scheduled, in seconds. */
  readonly answer: number;
  /** The part of it that the network took. */
  readonly network: number;
}

const VOICES = [1, 2, 3];
const VELOCITY = 72;
const PLAYER_VELOCITY = 92;
const SILENT_BARS = 1; // after so much silence the other voices stop, and the next note begins a new duet
const MOST_LATENCIES = 50;

export class Duet {
  readonly roll = new LiveRoll();
  private readonly metronome: Metronome;
  private steps: DuetSteps;
  private connection: DuetConnection | null = null;
  private readonly stepSeconds: number;
  private readonly pressed = new Map<number, number>(); // when the note of a step was pressed, in milliseconds
  private sounding: (number | null)[] = [null, null, null, null];
  private before: (number | null)[] = [null, null, null, null]; // what sounded before the last answered step
  private answered = -1;
  private latencies: DuetLatency[] = [];

  constructor(
    private readonly audio: AudioOutput,
    private readonly synth: Synth,
    private readonly sounds: Sounds,
    private readonly url: URL,
    private readonly options: DuetOptions,
    private readonly onChange: () => void,
    private readonly onFailure: (reason: string) => void,
    isHeard: () => boolean,
  ) {
    for (const voice of VOICES) synth.programChange(midiChannel(voice), options.program, 0);
    sounds.setProgram(options.program);
    this.metronome = new Metronome(audio, sounds, options, isHeard, (time) => this.advance(time));
    this.stepSeconds = this.metronome.sixteenth * options.grid;
    this.steps = this.newSteps();
    this.roll.start(this.metronome.begin, this.metronome.bar, options.meter);
  }

  /** The median of the last ones; null before the first answer. */
  get latency(): DuetLatency | null {
    const sorted = [...this.latencies].sort((a, b) => a.answer - b.answer);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }

  press(pitch: number, time: number): void {
    this.sounds.begin(pitch, PLAYER_VELOCITY);
    const at = this.metronome.timeOf(time);
    this.roll.beginNote(0, pitch, at, String(pitch));
    this.lastPress = time;
    this.steps.press(pitch, at);
  }

  lift(pitch: number, time: number): void {
    this.sounds.end(pitch);
    const at = this.metronome.timeOf(time);
    this.roll.endNote(0, at, String(pitch));
    this.steps.lift(pitch, at);
  }

  stop(): void {
    this.metronome.stop();
    this.rest();
  }

  private lastPress = 0;

  private newSteps(): DuetSteps {
    return new DuetSteps(this.metronome.begin, this.stepSeconds, (step) => this.tell(step));
  }

  private tell({ step, plays, pitch }: PlayedStep): void {
    this.connection ??= this.connect();
    if (pitch === null) this.connection.send({ type: "step", step, plays });
    else {
      this.pressed.set(step, this.lastPress);
      this.connection.send({ type: "step", step, plays, pitch });
    }
  }

  private connect(): DuetConnection {
    const { grid, meter } = this.options;
    const connection = new DuetConnection(this.url, (answer) => this.play(answer), (reason) => this.fail(reason));
    const stepsInBar = Math.round(this.metronome.bar / this.stepSeconds);
    const first = this.steps.first ?? 0;
    const toBarLine = (((-first % stepsInBar) + stepsInBar) % stepsInBar) * grid;
    connection.send({ type: "begin", meter, grid, pickup: toBarLine });
    return connection;
  }

  private play({ step, parts, seconds }: DuetAnswer): void {
    if (step > this.answered) this.before = [...this.sounding];
    this.answered = step;
    const wanted = [...this.before];
    for (const [voice, pitch] of parts) wanted[voice] = pitch;
    const begins = new Set(parts.map(([voice]) => voice));
    for (const voice of VOICES) {
      const pitch = wanted[voice] ?? null;
      if (begins.has(voice) || pitch !== this.sounding[voice]) this.move(voice, pitch);
    }
    this.synth.renderAhead(0.1);
    const pressed = this.pressed.get(step);
    this.pressed.delete(step);
    if (pressed !== undefined) {
      const latency = { answer: (performance.now() - pressed) / 1000, network: seconds };
      this.latencies = [...this.latencies, latency].slice(-MOST_LATENCIES);
      this.onChange();
    }
  }

  private move(voice: number, pitch: number | null): void {
    const { now } = this.audio;
    const channel = midiChannel(voice);
    const old = this.sounding[voice] ?? null;
    if (old !== null) this.synth.noteOff(channel, old, now);
    if (pitch !== null) this.synth.noteOn(channel, pitch, VELOCITY, now);
    this.sounding[voice] = pitch;
    if (pitch === null) this.roll.endNote(voice, this.audio.audibleTime);
    else this.roll.beginNote(voice, pitch, this.audio.audibleTime);
  }

  private advance(time: number): void {
    this.steps.advance(time);
    this.synth.renderAhead(0.1);
    const since = this.steps.silentSince;
    if (this.connection && since !== null && time - since > SILENT_BARS * this.metronome.bar + this.stepSeconds) this.rest();
  }

  /** The other voices fall silent, and the next note begins a new duet. */
  private rest(): void {
    this.connection?.close();
    this.connection = null;
    for (const voice of VOICES) if (this.sounding[voice] !== null) this.move(voice, null);
    this.pressed.clear();
    this.answered = -1;
    this.before = [null, null, null, null];
    this.steps = this.newSteps();
  }

  private fail(reason: string): void {
    this.stop();
    this.onFailure(reason);
  }
}
