/* The synthesiser itself (spessasynth), with instruments that arrive one by one. It runs on the audio thread or on the main
   thread, and knows of neither: it is given messages with their times, and renders blocks of samples. */

import { SoundBankLoader, SpessaSynthProcessor, type BasicSample } from "spessasynth_core";

export const QUANTUM = 128; // samples: the resolution of note times, and the most that is rendered at once
const UNPACKING_PAUSE = 12; // blocks between two samples that are unpacked while music plays

interface Scheduled {
  readonly message: readonly number[];
  readonly time: number;
}

export class PartSynth {
  private readonly synth: SpessaSynthProcessor;
  private scheduled: Scheduled[] = []; // by time
  private packed: BasicSample[] = []; // samples of which nothing has been heard yet
  private pause = 0; // blocks until the next sample is unpacked
  private played = false;

  constructor(sampleRate: number) {
    this.synth = new SpessaSynthProcessor(sampleRate, { maxBufferSize: QUANTUM, eventsEnabled: false });
  }

  /** Adds the instruments of a SoundFont. Its samples are unpacked at once before the first note, and then one at a time,
   *  since unpacking takes longer than a block lasts. */
  async addPart(name: string, soundFont: ArrayBuffer): Promise<void> {
    await this.synth.processorInitialized;
    const bank = SoundBankLoader.fromArrayBuffer(soundFont);
    const manager = this.synth.soundBankManager;
    manager.addSoundBank(bank, name);
    // After the first part, the synthesiser shall not reset all channels for each further one: they may be sounding.
    Object.assign(manager, { presetListChangeCallback: () => undefined });
    this.packed.push(...bank.samples);
    if (!this.played) while (this.unpackSample());
  }

  /** Plays a MIDI message at a time on the caller's clock. */
  send(message: readonly number[], time: number): void {
    const at = this.scheduled.findLastIndex((other) => other.time <= time) + 1;
    this.scheduled.splice(at, 0, { message, time });
    this.played = true;
  }

  silence(): void {
    this.scheduled = [];
    this.synth.stopAllChannels(false);
  }

  /** Adds a block of QUANTUM samples, which begins at `time`, to two channels from `start` on. */
  render(left: Float32Array, right: Float32Array, start: number, time: number): void {
    const due = this.scheduled.findIndex((other) => other.time > time);
    for (const { message } of this.scheduled.splice(0, due < 0 ? Infinity : due)) this.synth.processMessage([...message]);
    this.synth.process(left, right, start, QUANTUM);
    if (--this.pause <= 0 && this.unpackSample()) this.pause = UNPACKING_PAUSE;
  }

  private unpackSample(): boolean {
    const sample = this.packed.pop();
    sample?.getAudioData();
    return sample !== undefined;
  }
}
