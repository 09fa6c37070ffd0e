/* What the network weighed: for each voice the last note's choice as bars, with the symbols' names. Elements are made once
   and then only changed, as notes come many times a second.

   Knows the timeline; knows nothing of the server. */

import type { Choice, Voice } from "../protocol/messages";
import type { Note, Timeline } from "../music/timeline";

const SYMBOLS = 4; // the one that was taken, and three others
const LOOK_BACK = 12; // seconds: no note is longer
const NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];

export interface Row {
  readonly symbol: string;
  readonly probability: number;
  readonly taken: boolean;
}

/** The rows of one choice, the likeliest first. Where the symbols are pitches as numbers, which the note itself gives away,
 *  they are told by name. */
export function rows(choice: Choice, pitch: number): Row[] {
  const [symbol, probability, others] = choice;
  const pitches = symbol === String(pitch);
  const all = [{ symbol, probability, taken: true }, ...others.map(([s, p]) => ({ symbol: s, probability: p, taken: false }))];
  return all
    .map((row) => (pitches ? { ...row, symbol: pitchName(row.symbol) } : row))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, SYMBOLS);
}

export function pitchName(symbol: string): string {
  if (!/^\d{1,3}$/.test(symbol) || Number(symbol) > 127) return symbol;
  const pitch = Number(symbol);
  return `${NAMES[pitch % 12]}${Math.floor(pitch / 12) - 1}`;
}

interface Line {
  readonly element: HTMLElement;
  readonly symbol: HTMLElement;
  readonly bar: HTMLElement;
  readonly share: HTMLElement;
}

interface Card {
  readonly lines: Line[][]; // of each field
  shown: Note | null;
}

export class Choices {
  private cards: Card[] = [];
  private built = "";

  constructor(
    private readonly place: HTMLElement,
    private readonly timeline: Timeline,
  ) {}

  /** Makes a card for each voice, where they are others than before. */
  build(voices: readonly Voice[], fields: readonly string[]): void {
    const wanted = JSON.stringify([voices.map((voice) => voice.name), fields]);
    if (wanted === this.built) return;
    this.built = wanted;
    this.place.replaceChildren();
    this.cards = voices.map((voice, i) => this.card(voice.name || `Voice ${i + 1}`, i, fields));
  }

  /** Shows what is heard at an audio time. */
  draw(heard: number): void {
    const latest: Note[] = [];
    for (const { note } of this.timeline.between(heard - LOOK_BACK, heard)) if (note.chosen.length) latest[note.voice] = note;
    for (const [voice, card] of this.cards.entries()) {
      const note = latest[voice];
      if (note && note !== card.shown) this.show(card, note);
    }
  }

  private show(card: Card, note: Note): void {
    card.shown = note;
    for (const [field, lines] of card.lines.entries()) {
      const choice = note.chosen[field];
      const all = choice ? rows(choice, note.pitch) : [];
      for (const [i, line] of lines.entries()) fill(line, all[i]);
    }
  }

  private card(name: string, voice: number, fields: readonly string[]): Card {
    const card = add(this.place, "section", `card voice-${voice % 8}`);
    const title = add(card, "h3");
    add(title, "i", "swatch voice");
    title.append(name);
    const lines = fields.map((field) => {
      if (fields.length > 1) add(card, "p", "field").textContent = field;
      const list = add(card, "ol");
      return Array.from({ length: SYMBOLS }, () => line(list));
    });
    return { lines, shown: null };
  }
}

function line(list: HTMLElement): Line {
  const element = add(list, "li");
  const symbol = add(element, "span", "symbol");
  const bar = add(add(element, "span", "track"), "i");
  const share = add(element, "span", "share-of");
  const made = { element, symbol, bar, share };
  fill(made, undefined);
  return made;
}

function fill({ element, symbol, bar, share }: Line, row: Row | undefined): void {
  element.classList.toggle("taken", row?.taken ?? false);
  symbol.textContent = row?.symbol ?? "\u00a0";
  symbol.title = row?.symbol ?? "";
  bar.style.transform = `scaleX(${row?.probability ?? 0})`;
  share.textContent = row ? percent(row.probability) : "";
}

function percent(share: number): string {
  return share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(share * 100)} %`;
}

function add(parent: HTMLElement, tag: string, className = ""): HTMLElement {
  const element = document.createElement(tag);
  if (className) element.className = className;
  parent.append(element);
  return element;
}
