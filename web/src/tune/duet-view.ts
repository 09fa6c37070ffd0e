/* The duet on the page: begins and ends it, draws it, and says how fast the answers are. */

import { element } from "../page/element";
import { PianoRoll } from "../page/piano-roll";
import type { AudioOutput } from "../sound/audio-output";
import { Duet } from "./duet";
import type { Beat } from "./metronome";
import type { Keys } from "./midi-input";
import type { Sounds } from "./sounds";

export class DuetView implements Keys {
  private duet: Duet | null = null;
  private roll: PianoRoll | null = null;
  private frame = 0;

  constructor(
    private readonly audio: AudioOutput,
    private readonly sounds: Sounds,
    private readonly url: URL,
    private readonly beat: () => Beat,
    /** Called before a duet begins, so that nothing else is heard; and after it has ended. */
    private readonly onActive: (isActive: boolean) => void,
  ) {
    element("duet").addEventListener("click", () => void this.toggle());
  }

  get active(): boolean {
    return this.duet !== null;
  }

  onNote(pitch: number, _velocity: number, time: number): void {
    this.duet?.press(pitch, time);
  }

  onRelease(pitch: number, time: number): void {
    this.duet?.lift(pitch, time);
  }

  stop(): void {
    if (!this.duet) return;
    this.duet.stop();
    this.duet = null;
    cancelAnimationFrame(this.frame);
    this.onActive(false);
    this.show("");
  }

  private async toggle(): Promise<void> {
    if (this.duet) {
      this.stop();
      return;
    }
    this.onActive(true);
    this.show("Loading the instruments…");
    const unlocked = this.audio.unlock();
    try {
      const synth = await this.audio.synth;
      await unlocked;
      this.audio.fadeIn();
      this.duet = new Duet(
        this.audio, synth, this.sounds, this.url,
        {
          ...this.beat(),
          grid: Number(element("grid", HTMLSelectElement).value),
          program: Number(element("duet-instrument", HTMLSelectElement).value),
        },
        () => this.showLatency(), (reason) => this.fail(reason), () => element("clicks", HTMLInputElement).checked,
      );
    } catch {
      this.onActive(false);
      this.show("The instruments could not be loaded. Reload the page.");
      return;
    }
    element("duet-frame").hidden = false;
    this.roll = new PianoRoll(element("duet-roll", HTMLCanvasElement), this.duet.roll.timeline);
    this.show("Play a tune to the metronome. After a bar of silence, the other voices stop, too.");
    this.draw();
  }

  private draw(): void {
    this.frame = requestAnimationFrame((time) => {
      if (!this.duet) return;
      this.duet.roll.advance(this.audio.audibleTime);
      this.roll?.draw(this.audio.audibleTime, time / 1000);
      this.draw();
    });
  }

  private fail(reason: string): void {
    this.duet = null;
    cancelAnimationFrame(this.frame);
    this.onActive(false);
    this.show(reason);
  }

  private show(text: string): void {
    element("duet").textContent = this.duet ? "End the duet" : "Begin a duet";
    element("duet-status").textContent = text;
    for (const id of ["grid", "duet-instrument"]) element(id, HTMLSelectElement).disabled = this.active;
  }

  private showLatency(): void {
    const latency = this.duet?.latency;
    if (!latency) return;
    const device = this.audio.context.outputLatency || this.audio.context.baseLatency || 0;
    element("duet-latency").textContent =
      `The other voices begin ${milliseconds(latency.answer)} after your key, ${milliseconds(latency.network)} of it for ` +
      `the network. This device needs ${milliseconds(device)} more until anything is heard.`;
  }
}

function milliseconds(seconds: number): string {
  return `${Math.round(seconds * 1000)} ms`;
}
