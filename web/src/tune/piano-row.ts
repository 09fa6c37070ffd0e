/* A row of piano keys on the page, for fingers and mice; and the letters of the computer's keyboard that lie like one. */

import type { Keys } from "./midi-input";
import { pitchName, spell } from "./pitches";

const LOWEST = 55; // G3
const HIGHEST = 84; // C6
const BLACK = new Set([1, 3, 6, 8, 10]);
const VELOCITY = 90;
/** The computer's keys from middle C on, by their place on the keyboard. */
const CODES = [
  "KeyA", "KeyW", "KeyS", "KeyE", "KeyD", "KeyF", "KeyT", "KeyG", "KeyY", "KeyH", "KeyU", "KeyJ", "KeyK", "KeyO", "KeyL", "KeyP",
  "Semicolon",
];
const FIRST_OF_CODES = 60;

/** The pitch of a key of the computer's keyboard; null: none. */
export function pitchOfCode(code: string): number | null {
  const index = CODES.indexOf(code);
  return index < 0 ? null : FIRST_OF_CODES + index;
}

export class PianoRow {
  private readonly buttons = new Map<number, HTMLButtonElement>();
  private readonly held = new Map<number, number>(); // the pitch of each pointer

  constructor(
    host: HTMLElement,
    private readonly keys: Keys,
  ) {
    for (let pitch = LOWEST; pitch <= HIGHEST; pitch++) host.append(this.button(pitch));
    // Middle C and the octave above it are what is seen first.
    host.scrollLeft = (this.buttons.get(60)?.offsetLeft ?? 0) - 8;
  }

  /** Shows whether a key is down. */
  show(pitch: number, isDown: boolean): void {
    this.buttons.get(pitch)?.classList.toggle("down", isDown);
  }

  private button(pitch: number): HTMLButtonElement {
    const button = document.createElement("button");
    const name = pitchName(spell(pitch, { fifths: 0, minor: false }));
    button.type = "button";
    button.tabIndex = -1; // the computer's keyboard has letters for this
    button.className = BLACK.has(pitch % 12) ? "key black" : "key white";
    button.setAttribute("aria-label", name);
    button.dataset.pitch = String(pitch);
    if (pitch % 12 === 0) button.textContent = name;
    button.addEventListener("pointerdown", (event) => this.press(event, pitch));
    for (const end of ["pointerup", "pointercancel", "pointerleave"] as const) {
      button.addEventListener(end, (event) => this.lift(event));
    }
    this.buttons.set(pitch, button);
    return button;
  }

  private press(event: PointerEvent, pitch: number): void {
    this.held.set(event.pointerId, pitch);
    this.show(pitch, true);
    this.keys.onNote(pitch, VELOCITY, event.timeStamp);
  }

  private lift(event: PointerEvent): void {
    const pitch = this.held.get(event.pointerId);
    if (pitch === undefined) return;
    this.held.delete(event.pointerId);
    this.show(pitch, false);
    this.keys.onRelease(pitch, event.timeStamp);
  }
}
