/* The voices below the piano roll: their colours and names, and for each a button that mutes it and one that plays it solo. */

import type { VoiceMix } from "../playback/voice-mix";
import { voiceClass } from "./voice-colours";

interface Item {
  readonly label: string;
  readonly element: HTMLElement;
  readonly mute: HTMLButtonElement;
  readonly solo: HTMLButtonElement;
}

export class VoicesView {
  private items: readonly Item[] = [];

  constructor(
    private readonly container: HTMLElement,
    private readonly mix: VoiceMix,
    private readonly onChange: () => void,
  ) {}

  show(labels: readonly string[]): void {
    if (labels.join("\n") === this.items.map((item) => item.label).join("\n")) return;
    this.items = labels.map((label, i) => this.createItem(label, i));
    this.container.replaceChildren(...this.items.map((item) => item.element));
    this.update();
  }

  private createItem(label: string, voice: number): Item {
    const element = document.createElement("li");
    element.className = `voice-item ${voiceClass(voice)}`;
    const swatch = document.createElement("i");
    swatch.className = "swatch voice";
    const mute = this.createButton("mute", `${label}: mute`, "Mute this voice", () => this.mix.toggleMute(label));
    mute.append(swatch, label);
    const solo = this.createButton("solo", `Solo: ${label}`, "Hear this voice alone", () => this.mix.toggleSolo(label));
    solo.append("Solo");
    element.append(mute, solo);
    return { label, element, mute, solo };
  }

  private createButton(className: string, name: string, title: string, toggle: () => void): HTMLButtonElement {
    const button = document.createElement("button");
    button.type = "button";
    button.className = className;
    button.title = title;
    button.setAttribute("aria-label", name);
    button.addEventListener("click", () => {
      toggle();
      this.update();
      this.onChange();
    });
    return button;
  }

  private update(): void {
    const labels = this.items.map((item) => item.label);
    for (const { label, element, mute, solo } of this.items) {
      mute.setAttribute("aria-pressed", String(this.mix.isMuted(label)));
      solo.setAttribute("aria-pressed", String(this.mix.isSolo(label)));
      element.classList.toggle("silent", !this.mix.hears(label, labels));
    }
  }
}
