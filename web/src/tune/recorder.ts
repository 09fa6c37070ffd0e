/* Records what is played to a metronome: a bar to count in, then until it is stopped, or until nothing is played any more. */

import { element } from "../page/element";
import type { AudioOutput } from "../sound/audio-output";
import { Metronome, type Beat } from "./metronome";
import type { Keys } from "./midi-input";
import type { Sounds } from "./sounds";
import { Take, type TakenTune } from "./take";

const SILENT_BARS = 2; // after so many it stops

export class Recorder implements Keys {
  private metronome: Metronome | null = null;
  private take = new Take();
  private beats: Beat = { tempo: 80, meter: [4, 4] };

  constructor(
    private readonly audio: AudioOutput,
    private readonly sounds: Sounds,
    private readonly beat: () => Beat,
    private readonly onActive: (isActive: boolean) => void,
    private readonly onTaken: (tune: TakenTune) => void,
  ) {
    element("record").addEventListener("click", () => void this.toggle());
  }

  get active(): boolean {
    return this.metronome !== null;
  }

  onNote(pitch: number, velocity: number, time: number): void {
    this.sounds.begin(pitch, velocity);
    const at = this.timeOf(time);
    if (at !== null) this.take.press(pitch, at);
  }

  onRelease(pitch: number, time: number): void {
    this.sounds.end(pitch);
    const at = this.timeOf(time);
    if (at !== null) this.take.lift(pitch, at);
  }

  /** Ends the recording; what was played becomes the tune. */
  stop(): void {
    const { metronome, take } = this;
    if (!metronome) return;
    const now = this.timeOf(performance.now()) ?? 0;
    metronome.stop();
    this.metronome = null;
    this.onActive(false);
    this.show();
    if (!take.isEmpty) this.onTaken(take.tune(metronome.sixteenth, 16 / this.beats.meter[1], now));
  }

  private async toggle(): Promise<void> {
    if (this.metronome) {
      this.stop();
      return;
    }
    this.onActive(true);
    await this.audio.unlock();
    this.audio.fadeIn();
    this.take = new Take();
    this.beats = this.beat();
    this.metronome = new Metronome(this.audio, this.sounds, this.beats, () => true, () => this.advance());
    this.show();
  }

  /** Seconds from the first downbeat after the bar that counts in. */
  private timeOf(milliseconds: number): number | null {
    const { metronome } = this;
    return metronome && metronome.timeOf(milliseconds) - metronome.begin - metronome.bar;
  }

  private advance(): void {
    const { metronome, take } = this;
    const now = this.timeOf(performance.now());
    if (!metronome || now === null) return;
    this.showCount(now, metronome);
    const since = Math.max(take.last, 0);
    if (!take.holds && now - since > SILENT_BARS * metronome.bar) this.stop();
  }

  private showCount(now: number, metronome: Metronome): void {
    const beat = (metronome.sixteenth * 16) / this.beats.meter[1];
    const text = now < 0 ? `Play in ${Math.max(1, Math.ceil(-now / beat))}…` : "Recording: play on the keys, on a MIDI keyboard, or on a w s e d …";
    const status = element("entry-status");
    if (status.textContent !== text) status.textContent = text;
  }

  private show(): void {
    element("record").textContent = this.active ? "Stop" : "Play it in";
  }
}
