/* The interface of a synthesiser that plays notes at given times. */

/** The MIDI controller that mutes a channel. */
export const EXPRESSION = 11;

export interface Synth {
  /** Where the samples are computed. */
  readonly renderer: "AudioWorklet" | "main thread";
  /** Times are in seconds on the audio context's clock. A time in the past means now. */
  noteOn(channel: number, pitch: number, velocity: number, time: number): void;
  noteOff(channel: number, pitch: number, time: number): void;
  programChange(channel: number, program: number, time: number): void;
  /** Silences a channel or lets it be heard again. Its notes go on meanwhile. */
  setMuted(channel: number, muted: boolean): void;
  /** Ends all notes now and discards those that are scheduled. */
  silence(): void;
  /** Renders so far ahead, in seconds. To be called about 20 times a second, after scheduling all notes until then. */
  renderAhead(seconds: number): void;
}

/** A synthesiser without instruments, which are added while it runs. */
export interface EmptySynth extends Synth {
  /** Adds the instruments of a SoundFont file. What sounds already goes on. */
  addPart(name: string, soundFont: ArrayBuffer): Promise<void>;
}
