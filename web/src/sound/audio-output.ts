/* The audio context, its volume, and the instruments. Everything that takes time is done before the tap; the tap itself
   unlocks the sound, which browsers allow nowhere else.

   Knows nothing of music. */

import { createSynth } from "./create-synth";
import type { Synth } from "./synth";

declare global {
  interface Navigator {
    /** Safari's; with "playback" the switch that mutes a phone's ringing does not mute music. */
    readonly audioSession?: { type: string };
  }
}

const FADE = 0.04; // seconds
const STRENGTH = 3; // four voices of a choir come out of the synthesiser at -24 dB

export class Audio {
  readonly context: AudioContext;
  readonly ready: Promise<Synth>;
  private readonly volume: GainNode;
  private readonly gate: GainNode;
  private resting: ReturnType<typeof setTimeout> | undefined;

  constructor(soundFont: Promise<ArrayBuffer>) {
    if (navigator.audioSession) navigator.audioSession.type = "playback";
    this.context = new AudioContext({ latencyHint: "playback" });
    this.volume = this.context.createGain();
    this.gate = this.context.createGain();
    this.gate.connect(this.volume).connect(this.context.destination);
    const strength = this.context.createGain();
    strength.gain.value = STRENGTH;
    strength.connect(limiter(this.context)).connect(this.gate);
    this.ready = soundFont.then((bytes) => createSynth(this.context, strength, bytes));
    this.ready.catch(() => undefined); // told to whoever presses play
  }

  get now(): number {
    return this.context.currentTime;
  }

  /** What is heard now, which left the synthesiser a moment ago. */
  get heard(): number {
    const latency = this.context.outputLatency || this.context.baseLatency || 0;
    return this.now - Math.min(latency, 0.5);
  }

  /** To be called inside the tap. */
  async unlock(): Promise<void> {
    clearTimeout(this.resting);
    await this.context.resume();
  }

  /** 0 to 1; heard as evenly as the ear hears, which is not how amplitudes grow. */
  setVolume(share: number): void {
    this.volume.gain.setTargetAtTime(share * share, this.now, FADE);
  }

  open(): void {
    this.gate.gain.cancelScheduledValues(this.now);
    this.gate.gain.setTargetAtTime(1, this.now, 0.005);
  }

  /** Fades what sounds, and lets the device rest when it has faded. */
  close(after: () => void): void {
    this.gate.gain.cancelScheduledValues(this.now);
    this.gate.gain.setTargetAtTime(0, this.now, FADE);
    clearTimeout(this.resting);
    this.resting = setTimeout(() => {
      after();
      this.resting = setTimeout(() => void this.context.suspend(), 2000);
    }, FADE * 6000);
  }
}

/** Loud instruments stay below full scale; what is below the threshold passes as it is. */
function limiter(context: BaseAudioContext): AudioNode {
  return new DynamicsCompressorNode(context, { threshold: -6, knee: 3, ratio: 20, attack: 0.002, release: 0.15 });
}

/** The soundfont, with the share that has come, 0 to 1, as it comes. */
export async function fetchSoundFont(address: URL, progress: (share: number) => void): Promise<ArrayBuffer> {
  const answer = await fetch(address);
  if (!answer.ok || !answer.body) throw new Error(`the server has no instruments (${answer.status})`);
  const total = Number(answer.headers.get("content-length")) || 6e6;
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = answer.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    size += part.value.length;
    progress(Math.min(1, size / total));
  }
  return new Blob(parts).arrayBuffer();
}
