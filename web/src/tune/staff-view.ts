/* The staff of the tune as SVG: draws it, and turns taps into pitches. A tap behind the last note adds one; a tap on a note
   selects it, or moves it if the tap is far above or below. While a finger is down, the pitch under it is shown and heard. */

import { GLYPHS, type GlyphName } from "./glyphs";
import { inKey, pitchName, type Pitch } from "./pitches";
import { beams, cursorPlace, entryAt, layOut, type PlacedBar, type PlacedSign, type StaffLayout, type System } from "./staff-layout";
import type { TuneState } from "./entry";

export interface StaffActions {
  /** A tap behind the last note. */
  readonly onAdd: (pitch: Pitch) => void;
  /** A tap on an entry; with a pitch if it is far from its own. */
  readonly onSelect: (entry: number, pitch: Pitch | null) => void;
  /** A pitch under the finger. */
  readonly onPreview: (pitch: Pitch) => void;
}

export type ClefName = "treble" | "bass";

const SPACE = 11; // pixels between two lines
const HALF = SPACE / 2;
const ABOVE = 4.3 * SPACE; // the room above a staff
const SYSTEM = ABOVE + 4 * SPACE + 3.6 * SPACE;
const STEM = 3.4 * SPACE;
const TOP_LINE: Record<ClefName, number> = { treble: 38, bass: 26 }; // steps: F5, A3
const NEAR = 2.5; // steps: a tap this near to a note only selects it
const HOLD = 180; // milliseconds: a finger that rests so long moves the note, not the page
const LEAST_MOVE = 8; // pixels
const SHARPS = [38, 35, 39, 36, 33, 37, 34]; // the steps of a treble clef's signature
const FLATS = [34, 37, 33, 36, 32, 35, 31];
const NAMESPACE = "http://www.w3.org/2000/svg";

interface Touched {
  readonly system: number;
  readonly x: number;
  readonly step: number;
}

export class StaffView {
  clef: ClefName = "treble";
  private readonly svg = document.createElementNS(NAMESPACE, "svg");
  private layout: StaffLayout = { systems: [], width: 0 };
  private tune: TuneState | null = null;
  private touched: Touched | null = null;
  private begun = { x: 0, y: 0, time: 0 };
  private sounding = -1; // the entry that is heard

  constructor(
    private readonly host: HTMLElement,
    private readonly actions: StaffActions,
  ) {
    this.svg.setAttribute("class", "staff");
    this.svg.setAttribute("role", "img");
    host.append(this.svg);
    new ResizeObserver(() => this.draw()).observe(host);
    this.svg.addEventListener("pointerdown", (event) => this.press(event));
    this.svg.addEventListener("pointermove", (event) => this.move(event));
    this.svg.addEventListener("pointerup", (event) => this.release(event));
    this.svg.addEventListener("pointercancel", () => this.cancel());
    this.svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.cancel());
    this.svg.addEventListener("touchmove", (event) => this.keepPage(event), { passive: false });
  }

  show(tune: TuneState): void {
    this.tune = tune;
    this.draw();
  }

  /** Marks the entry that is heard; -1: none. */
  mark(entry: number): void {
    if (entry === this.sounding) return;
    this.sounding = entry;
    for (const note of this.svg.querySelectorAll("[data-entry]")) {
      note.classList.toggle("heard", Number((note as SVGElement).dataset.entry) === entry);
    }
  }

  private draw(): void {
    const { tune, host } = this;
    if (!tune) return;
    const width = Math.max(240, host.clientWidth);
    this.layout = layOut(tune, width - 2);
    const height = this.layout.systems.length * SYSTEM;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("width", String(width));
    this.svg.setAttribute("height", String(height));
    this.svg.setAttribute("aria-label", describe(tune));
    this.svg.replaceChildren();
    for (const [number, system] of this.layout.systems.entries()) this.drawSystem(tune, system, number);
    this.drawCursor(tune);
    this.drawGhost();
  }

  private drawSystem(tune: TuneState, system: System, number: number): void {
    const top = this.topOf(number);
    for (let line = 0; line < 5; line++) this.line(0.5, top + line * SPACE, this.layout.width, top + line * SPACE, "line");
    if (this.clef === "treble") this.glyph("trebleClef", 4, top + 3 * SPACE);
    else this.glyph("bassClef", 4, top + SPACE);
    this.drawSignature(tune.key.fifths, top);
    if (system.first) this.drawMeter(tune.meter, system.begin - 20, top);
    for (const bar of system.bars) this.drawBar(tune, bar, top);
  }

  private drawSignature(fifths: number, top: number): void {
    const steps = (fifths > 0 ? SHARPS : FLATS).slice(0, Math.abs(fifths));
    for (const [i, step] of steps.entries()) {
      const shown = this.clef === "treble" ? step : step - 14;
      this.glyph(fifths > 0 ? "sharp" : "flat", 36 + 11 * i, this.yOf(shown, top));
    }
  }

  private drawMeter(meter: TuneState["meter"], x: number, top: number): void {
    for (const [row, number] of meter.entries()) {
      const digits = String(number).split(/(?=.)/);
      for (const [i, digit] of digits.entries()) {
        const left = x + (i - (digits.length - 1) / 2) * 12;
        this.glyph(`digit${digit}` as GlyphName, left, top + (1 + 2 * row) * SPACE);
      }
    }
  }

  private drawBar(tune: TuneState, bar: PlacedBar, top: number): void {
    const right = bar.x + bar.width;
    if (bar.full) this.line(right, top, right, top + 4 * SPACE, "line");
    if (bar.number > 1 && bar.signs.length) this.text(String(bar.number), bar.x + 2, top - SPACE * 0.9, "bar-number");
    const joined = beams(bar, bar.signs[0]?.at ?? 0, tune.meter);
    for (const group of joined) this.drawBeam(group, top);
    for (const sign of bar.signs) {
      const group = this.group(sign.entry, tune.cursor - 1 === sign.entry);
      if (sign.pitch === null) this.drawRest(sign, top, group);
      else this.drawNote(sign, sign.pitch, top, group, joined.some((signs) => signs.includes(sign)));
    }
  }

  private group(entry: number, isSelected: boolean): SVGElement {
    const group = document.createElementNS(NAMESPACE, "g");
    const heard = entry === this.sounding ? " heard" : "";
    group.setAttribute("class", `note${isSelected ? " selected" : ""}${heard}`);
    group.dataset.entry = String(entry);
    this.svg.append(group);
    return group;
  }

  private drawRest(sign: PlacedSign, top: number, group: SVGElement): void {
    const base = baseOf(sign.length);
    const y = top + (base === 16 ? SPACE : 2 * SPACE);
    this.glyph(`rest${16 / base}` as GlyphName, sign.x - 5, y, group);
    if (base !== sign.length) this.dot(sign.x + 11, top + 1.5 * SPACE, group);
  }

  private drawNote(sign: PlacedSign, pitch: Pitch, top: number, group: SVGElement, isBeamed: boolean): void {
    const { x, length } = sign;
    const [y, base] = [this.yOf(pitch.step, top), baseOf(length)];
    this.drawLedgers(x, pitch.step, top, group);
    this.glyph(base === 16 ? "whole" : base === 8 ? "half" : "black", x - (base === 16 ? 9 : 6.5), y, group);
    if (base !== length) this.dot(x + 11, y - (this.isOnLine(pitch.step) ? HALF : 0), group);
    if (sign.accidental !== null) {
      const name = sign.accidental > 0 ? "sharp" : sign.accidental < 0 ? "flat" : "natural";
      this.glyph(name, x - 19, y, group);
    }
    const up = this.isStemUp(pitch.step);
    if (base < 16 && !isBeamed) {
      const stemX = up ? x + 6 : x - 6;
      const end = y + (up ? -STEM : STEM);
      this.line(stemX, y, stemX, end, "stem", group);
      if (base < 4) this.glyph(`flag${up ? "Up" : "Down"}${16 / base}` as GlyphName, stemX - 0.6, end, group);
    }
    if (sign.tie) this.drawTie(sign, y, up, group);
    if (sign.fermata) this.glyph("fermata", x - 14, Math.min(top - 8, y - (up ? STEM + 8 : 14)), group);
  }

  private drawLedgers(x: number, step: number, top: number, group: SVGElement): void {
    const highest = TOP_LINE[this.clef];
    for (let s = highest + 2; s <= step; s += 2) this.line(x - 11, this.yOf(s, top), x + 11, this.yOf(s, top), "line", group);
    for (let s = highest - 10; s >= step; s -= 2) this.line(x - 11, this.yOf(s, top), x + 11, this.yOf(s, top), "line", group);
  }

  private drawTie(sign: PlacedSign, y: number, up: boolean, group: SVGElement): void {
    const [from, to] = [sign.x + 8, sign.x + Math.max(16, sign.width - 8)];
    const bend = up ? 1 : -1;
    const path = document.createElementNS(NAMESPACE, "path");
    const [ends, middle] = [y + bend * 8, y + bend * 15];
    path.setAttribute("d", `M${from} ${ends}Q${(from + to) / 2} ${middle} ${to} ${ends}`);
    path.setAttribute("class", "tie");
    group.append(path);
  }

  private drawBeam(signs: readonly PlacedSign[], top: number): void {
    const steps = signs.map((sign) => sign.pitch?.step ?? 0);
    const up = this.isStemUp(steps.reduce((sum, step) => sum + step, 0) / steps.length);
    const ys = steps.map((step) => this.yOf(step, top));
    const end = up ? Math.min(...ys) - STEM : Math.max(...ys) + STEM;
    const shift = up ? 6 : -6;
    for (const [i, sign] of signs.entries()) this.line(sign.x + shift, ys[i] ?? top, sign.x + shift, end, "stem");
    const [first, last] = [signs[0], signs.at(-1)];
    if (first && last) this.bar(first.x + shift, last.x + shift, end, up);
    const second = end + (up ? 8 : -8);
    for (const [i, sign] of signs.entries()) {
      if (baseOf(sign.length) > 1) continue;
      const [next, before] = [signs[i + 1], signs[i - 1]];
      if (next && baseOf(next.length) === 1) this.bar(sign.x + shift, next.x + shift, second, up);
      else if (!(before && baseOf(before.length) === 1)) {
        const stub = before ? -9 : 9;
        this.bar(sign.x + shift + Math.min(0, stub), sign.x + shift + Math.max(0, stub), second, up);
      }
    }
  }

  private bar(from: number, to: number, y: number, up: boolean): void {
    const beam = document.createElementNS(NAMESPACE, "rect");
    setAll(beam, { x: from - 0.6, y: up ? y : y - 5, width: to - from + 1.2, height: 5, class: "beam" });
    this.svg.append(beam);
  }

  private drawCursor(tune: TuneState): void {
    const { system, x } = cursorPlace(this.layout, tune.cursor);
    const top = this.topOf(system);
    this.line(x, top - SPACE, x, top + 5 * SPACE, "cursor");
  }

  private drawGhost(): void {
    this.svg.querySelector(".ghost")?.remove();
    const { touched, tune } = this;
    if (!touched || !tune) return;
    const top = this.topOf(touched.system);
    const pitch = inKey(touched.step, tune.key.fifths);
    const group = document.createElementNS(NAMESPACE, "g");
    group.setAttribute("class", "ghost");
    this.svg.append(group);
    this.drawLedgers(touched.x, touched.step, top, group);
    this.glyph("black", touched.x - 6.5, this.yOf(touched.step, top), group);
    const above = this.yOf(touched.step, top) - 2.6 * SPACE;
    this.text(pitchName(pitch), touched.x, Math.max(above, 12), "ghost-name", group);
  }

  // Taps.

  private press(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.begun = { x: event.clientX, y: event.clientY, time: event.timeStamp };
    this.touch(event, true);
    if (event.pointerType !== "touch") this.svg.setPointerCapture(event.pointerId);
  }

  private move(event: PointerEvent): void {
    if (event.pointerType === "touch" ? this.touched !== null : true) this.touch(event, event.buttons > 0);
  }

  /** A finger that has rested moves the note; one that moves at once scrolls the page. */
  private keepPage(event: TouchEvent): void {
    const finger = event.touches[0];
    if (!finger || !this.touched) return;
    const far = Math.hypot(finger.clientX - this.begun.x, finger.clientY - this.begun.y) > LEAST_MOVE;
    if (!far || event.timeStamp - this.begun.time > HOLD) event.preventDefault();
  }

  private release(event: PointerEvent): void {
    const { touched, tune } = this;
    this.cancel();
    if (!touched || !tune || event.button !== 0) return;
    const pitch = inKey(touched.step, tune.key.fifths);
    const entry = entryAt(this.layout, touched.system, touched.x);
    if (entry === null) {
      this.actions.onAdd(pitch);
      return;
    }
    const own = tune.entries[entry];
    const isFar = own?.kind === "note" && Math.abs(own.step - touched.step) > NEAR;
    this.actions.onSelect(entry, isFar ? pitch : null);
  }

  private cancel(): void {
    this.touched = null;
    this.drawGhost();
  }

  private touch(event: PointerEvent, isHeard: boolean): void {
    const before = this.touched?.step;
    const box = this.svg.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const system = Math.max(0, Math.min(this.layout.systems.length - 1, Math.floor(y / SYSTEM)));
    const top = this.topOf(system);
    const step = TOP_LINE[this.clef] - Math.round((y - top) / HALF);
    const highest = TOP_LINE[this.clef];
    this.touched = { system, x, step: Math.max(highest - 15, Math.min(highest + 8, step)) };
    if (isHeard && this.tune && this.touched.step !== before) this.actions.onPreview(inKey(this.touched.step, this.tune.key.fifths));
    this.drawGhost();
  }

  // Places and shapes.

  private topOf(system: number): number {
    return system * SYSTEM + ABOVE;
  }

  private yOf(step: number, top: number): number {
    return top + (TOP_LINE[this.clef] - step) * HALF;
  }

  private isOnLine(step: number): boolean {
    return (TOP_LINE[this.clef] - step) % 2 === 0;
  }

  private isStemUp(step: number): boolean {
    return step < TOP_LINE[this.clef] - 4;
  }

  private glyph(name: GlyphName, x: number, y: number, parent: SVGElement = this.svg): void {
    const path = document.createElementNS(NAMESPACE, "path");
    const scale = (4 * SPACE) / 1000;
    setAll(path, { d: GLYPHS[name], transform: `translate(${x} ${y}) scale(${scale} ${-scale})`, class: "sign" });
    parent.append(path);
  }

  private dot(x: number, y: number, parent: SVGElement): void {
    const circle = document.createElementNS(NAMESPACE, "circle");
    setAll(circle, { cx: x, cy: y, r: 2.1, class: "sign" });
    parent.append(circle);
  }

  private line(x1: number, y1: number, x2: number, y2: number, className: string, parent: SVGElement = this.svg): void {
    const line = document.createElementNS(NAMESPACE, "line");
    setAll(line, { x1, y1, x2, y2, class: className });
    parent.append(line);
  }

  private text(content: string, x: number, y: number, className: string, parent: SVGElement = this.svg): void {
    const text = document.createElementNS(NAMESPACE, "text");
    setAll(text, { x, y, class: className });
    text.textContent = content;
    parent.append(text);
  }
}

/** The length of a note without its dot. */
function baseOf(length: number): number {
  return 2 ** Math.floor(Math.log2(length));
}

function describe(tune: TuneState): string {
  const names = tune.entries.map((entry) => (entry.kind === "note" ? pitchName(entry) : "rest"));
  return names.length ? `The tune: ${names.join(", ")}` : "The tune is empty.";
}

function setAll(element: SVGElement, values: Readonly<Record<string, string | number>>): void {
  for (const [name, value] of Object.entries(values)) element.setAttribute(name, String(value));
}
