/* The strip at the foot of the screen: play, bar and a small roll. It shows while the large play button is out of sight, so that
   one sees and hears what a control changes. */

import type { Timeline } from "../music/timeline";
import type { IsHeard } from "../playback/scheduler";
import { element } from "./element";
import { PianoRoll } from "./piano-roll";

export class Strip {
  private readonly strip = element("strip");
  private readonly button = element("strip-play", HTMLButtonElement);
  private readonly position = element("strip-position");
  private readonly roll: PianoRoll;

  constructor(timeline: Timeline, isHeard: IsHeard, onPlay: () => void) {
    this.roll = new PianoRoll(element("strip-roll", HTMLCanvasElement), timeline, { labelled: false, isHeard });
    this.button.addEventListener("click", onPlay);
    new IntersectionObserver((entries) => {
      this.strip.hidden = entries.at(-1)?.isIntersecting ?? true;
    }).observe(element("play"));
  }

  update(playing: boolean, waiting: boolean): void {
    this.button.classList.toggle("playing", playing);
    this.button.classList.toggle("waiting", waiting);
    this.button.setAttribute("aria-label", playing ? "Pause" : "Play");
  }

  show(position: string): void {
    if (this.position.textContent !== position) this.position.textContent = position;
  }

  draw(audible: number, frame: number): void {
    if (!this.strip.hidden) this.roll.draw(audible, frame);
  }
}
