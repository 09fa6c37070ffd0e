/* The interface of a synthesiser. */

export interface Synth {
  /** How the sound is made, for people who want to know. */
  readonly way: "AudioWorklet" | "main thread";
  /** Times are seconds of the audio context's clock; what lies in the past sounds at once. */
  noteOn(channel: number, pitch: number, velocity: number, time: number): void;
  noteOff(channel: number, pitch: number, time: number): void;
  program(channel: number, program: number, time: number): void;
  /** Ends all notes now, and forgets those that were to come. */
  silence(): void;
  /** To be called some 20 times a second, with the seconds of sound that must be ready. All notes until then are known. */
  advance(ahead: number): void;
}
