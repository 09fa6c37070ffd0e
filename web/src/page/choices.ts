/* The network's choices: for each voice, the last note's symbol and the alternatives, as bars. Notes arrive many times a
   second, so the elements are created once and then only updated. */

import { C_MAJOR, keyOf, pitchName, spellSymbol, type Key } from "../music/spelling";
import type { Bar, Note, Timeline } from "../music/timeline";
import type { ChoiceRow, Voice } from "../protocol/messages";
import { voiceClass } from "./voice-colours";

const SYMBOLS = 4; // the chosen one and three alternatives
const LONGEST_NOTE = 12; // seconds

export interface RankedSymbol {
  readonly symbol: string;
  readonly probability: number;
  readonly chosen: boolean;
}

/** The symbols of one choice, the most likely first, with pitches spelled in a key. MIDI pitches are shown by name, too; the
 *  symbols are such pitches where the chosen one is the pitch of the note. */
export function rankSymbols(choice: ChoiceRow, pitch: number, key: Key = C_MAJOR): RankedSymbol[] {
  const [symbol, probability, alternatives] = choice;
  const arePitches = symbol === String(pitch);
  const all = [
    { symbol, probability, chosen: true },
    ...alternatives.map(([name, p]) => ({ symbol: name, probability: p, chosen: false })),
  ];
  return all
    .map((ranked) => ({ ...ranked, symbol: arePitches ? nameOf(ranked.symbol, key) : spellSymbol(ranked.symbol, key) }))
    .sort((a, b) => b.probability - a.probability)
    .slice(0, SYMBOLS);
}

function nameOf(symbol: string, key: Key): string {
  return /^\d{1,3}$/.test(symbol) && Number(symbol) < 128 ? pitchName(Number(symbol), key) : symbol;
}

/** The elements of one symbol. */
interface Row {
  readonly element: HTMLElement;
  readonly symbol: HTMLElement;
  readonly bar: HTMLElement;
  readonly probability: HTMLElement;
}

/** The elements of one voice. */
interface Card {
  readonly rows: Row[][]; // of each field
  shown: Note | null;
}

export class ChoicesView {
  private cards: Card[] = [];
  private builtFor = "";
  private key = C_MAJOR;
  private keyKnownOf = "";

  constructor(
    private readonly container: HTMLElement,
    private readonly timeline: Timeline,
  ) {}

  /** Creates a card for each voice, unless the cards fit already. */
  build(voices: readonly Voice[], fields: readonly string[]): void {
    const wanted = JSON.stringify([voices.map((voice) => voice.name), fields]);
    if (wanted === this.builtFor) return;
    this.builtFor = wanted;
    this.container.replaceChildren();
    this.cards = voices.map((voice, i) => this.createCard(voice.name || `Voice ${i + 1}`, i, fields));
  }

  /** Shows each voice's last choice at the audio time `audible`. */
  draw(audible: number): void {
    const latest: { bar: Bar; note: Note }[] = [];
    for (const found of this.timeline.notesBetween(audible - LONGEST_NOTE, audible)) {
      if (found.note.chosen.length) latest[found.note.voice] = found;
    }
    for (const [voice, card] of this.cards.entries()) {
      const found = latest[voice];
      if (found && found.note !== card.shown) showNote(card, found.note, this.keyOf(found.bar.piece));
    }
  }

  /** The key of a piece, as far as it is known. */
  private keyOf(piece: number): Key {
    const bars = this.timeline.bars.filter((bar) => bar.piece === piece);
    const known = `${piece} ${bars.length}`;
    if (known !== this.keyKnownOf) {
      const voices = this.timeline.pieces.get(piece)?.message.voices ?? [];
      this.key = keyOf(bars.flatMap((bar) => bar.notes).filter((note) => !voices[note.voice]?.drums));
      this.keyKnownOf = known;
    }
    return this.key;
  }

  private createCard(name: string, voice: number, fields: readonly string[]): Card {
    const card = append(this.container, "section", `card ${voiceClass(voice)}`);
    const title = append(card, "h3");
    append(title, "i", "swatch voice");
    title.append(name);
    const rows = fields.map((field) => {
      if (fields.length > 1) append(card, "p", "field").textContent = field;
      const list = append(card, "ol");
      return Array.from({ length: SYMBOLS }, () => createRow(list));
    });
    return { rows, shown: null };
  }
}

function showNote(card: Card, note: Note, key: Key): void {
  card.shown = note;
  for (const [field, rows] of card.rows.entries()) {
    const choice = note.chosen[field];
    const symbols = choice ? rankSymbols(choice, note.pitch, key) : [];
    for (const [i, row] of rows.entries()) fillRow(row, symbols[i]);
  }
}

function createRow(list: HTMLElement): Row {
  const element = append(list, "li");
  const symbol = append(element, "span", "symbol");
  const bar = append(append(element, "span", "track"), "i");
  const probability = append(element, "span", "probability");
  const row = { element, symbol, bar, probability };
  fillRow(row, undefined);
  return row;
}

function fillRow({ element, symbol, bar, probability }: Row, ranked: RankedSymbol | undefined): void {
  element.classList.toggle("chosen", ranked?.chosen ?? false);
  symbol.textContent = ranked?.symbol ?? "\u00a0";
  symbol.title = ranked?.symbol ?? "";
  bar.style.transform = `scaleX(${ranked?.probability ?? 0})`;
  probability.textContent = ranked ? percentage(ranked.probability) : "";
}

function percentage(probability: number): string {
  return probability > 0 && probability < 0.01 ? "< 1%" : `${Math.round(probability * 100)}%`;
}

function append(parent: HTMLElement, tag: string, className = ""): HTMLElement {
  const element = document.createElement(tag);
  if (className) element.className = className;
  parent.append(element);
  return element;
}
