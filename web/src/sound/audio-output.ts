/* The audio context, its volume, and the synthesiser. It is loaded before the listener presses play, with the instruments that
   are needed first, since browsers allow sound to start only within a tap or a key press. */

import { createSynth } from "./create-synth";
import { Instruments, type Needed } from "./instruments";

declare global {
  interface Navigator {
    /** Safari only. With the type "playback", a phone's mute switch does not silence the music. */
    readonly audioSession?: { type: string };
  }
}

const FADE = 0.04; // seconds: the time constant of fades
/** Firefox's page can stop for ever when it is asked while a device starts: on Linux, its audio thread waits for the page
 *  then, which waits for the audio thread. */
const TELLS_LATENCY = !navigator.userAgent.includes("Firefox/");
const SYNTH_GAIN = 3; // the synthesiser plays a four-part choir at about -24 dB

export class AudioOutput {
  readonly context: AudioContext;
  /** Resolves once one of the instruments can be heard. */
  readonly synth: Promise<Instruments>;
  /** The fraction of the first instrument that has arrived. */
  loaded = 0;
  onLoading: () => void = () => undefined;
  private readonly volume: GainNode;
  private readonly gate: GainNode;
  private suspendTimer: ReturnType<typeof setTimeout> | undefined;

  /** `sounds` is the address of the instruments' folder, and `needed` what the first piece will need. */
  constructor(sounds: URL, needed: Promise<readonly Needed[]>, latencyHint: AudioContextLatencyCategory = "playback") {
    if (navigator.audioSession) navigator.audioSession.type = "playback";
    this.context = new AudioContext({ latencyHint });
    this.volume = this.context.createGain();
    this.gate = this.context.createGain();
    this.gate.connect(this.volume).connect(this.context.destination);
    const gain = this.context.createGain();
    gain.gain.value = SYNTH_GAIN;
    gain.connect(createLimiter(this.context)).connect(this.gate);
    this.synth = Instruments.load(createSynth(this.context, gain), sounds, needed, (fraction) => {
      this.loaded = fraction;
      this.onLoading();
    });
    this.synth.catch(() => undefined); // handled when the listener presses play
  }

  /** Begins to load an instrument that will be played soon. */
  prepare(program: number): void {
    this.synth.then((synth) => synth.need([{ program, drums: false }]), () => undefined);
  }

  get now(): number {
    return this.context.currentTime;
  }

  /** The audio time of the sound that reaches the listener now. It is behind `now` by the device's latency. */
  get audibleTime(): number {
    const latency = (TELLS_LATENCY && this.context.outputLatency) || this.context.baseLatency || 0;
    return this.now - Math.min(latency, 0.5);
  }

  /** Must be called within the tap. */
  async unlock(): Promise<void> {
    clearTimeout(this.suspendTimer);
    await this.context.resume();
  }

  /** `volume`, 0 to 1, is squared, since loudness is not heard in proportion to the amplitude. */
  setVolume(volume: number): void {
    this.volume.gain.setTargetAtTime(volume * volume, this.now, FADE);
  }

  fadeIn(): void {
    this.gate.gain.cancelScheduledValues(this.now);
    this.gate.gain.setTargetAtTime(1, this.now, 0.005);
  }

  /** Fades out, calls `afterwards`, and suspends the audio context to save power. */
  fadeOut(afterwards: () => void): void {
    this.gate.gain.cancelScheduledValues(this.now);
    this.gate.gain.setTargetAtTime(0, this.now, FADE);
    clearTimeout(this.suspendTimer);
    this.suspendTimer = setTimeout(() => {
      afterwards();
      this.suspendTimer = setTimeout(() => void this.context.suspend(), 2000);
    }, FADE * 6000);
  }
}

/** Keeps loud instruments below full scale, and leaves quieter sound unchanged. */
function createLimiter(context: BaseAudioContext): AudioNode {
  return new DynamicsCompressorNode(context, { threshold: -6, knee: 3, ratio: 20, attack: 0.002, release: 0.15 });
}
