/* An endless programme of pieces, bar by bar, which can go back to a bar to compose it again with other changes
   (src/playbach/streaming/programme.py does the same). Piece k has the seed `seed + k`. */

import type { ChangeRow, Parameter } from "../protocol/messages";
import { LASTING_PARAMETERS } from "../protocol/messages";
import type { ParameterValues } from "../music/parameter-changes";
import { BarSplitter, type ComposedBar } from "./bars";
import type { Engine } from "./model";
import { Performer } from "./performance";
import { ComposedPiece, type BarValues } from "./piece";

/** How a programme begins. */
export interface ProgrammeSettings extends ParameterValues {
  readonly seed: number;
  readonly bars: number;
}

/** A bar of a piece of the programme. */
export interface ProgrammeBar extends ComposedBar {
  readonly piece: number;
  readonly composed: ComposedPiece;
  /** The piece's length as it is known in this bar. */
  readonly length: number;
}

/** A piece, and the changes in it that it has been composed with. A bar is composed and performed without knowledge of later
 *  changes, so that the music is the same whether they are known in advance or not. */
interface PieceInProgress {
  readonly composed: ComposedPiece;
  /** The last bar whose changes are known. */
  horizon: number;
  known: string;
  /** What has been performed of it. */
  performed: PerformedBars;
}

/** The bars of a piece that are complete, each performed once. */
class PerformedBars {
  readonly bars: ComposedBar[] = [];
  private readonly performer: Performer;
  private readonly splitter = new BarSplitter();
  private until = 0;

  constructor(private readonly composed: ComposedPiece) {
    this.performer = new Performer(composed.start);
  }

  /** Performs the events that have become certain. */
  advance(): void {
    const { certain } = this.composed;
    for (const event of this.composed.events(this.until)) {
      for (const played of this.performer.take(event)) this.bars.push(...this.splitter.take(played));
    }
    this.until = certain;
  }
}

export class Programme {
  private readonly pieces = new Map<number, PieceInProgress>();

  /** `changes` are those known so far, in the order of their bars; `piece` and `number` say where to begin. */
  constructor(
    private readonly engine: Engine,
    readonly settings: ProgrammeSettings,
    public changes: readonly ChangeRow[],
    private piece = 0,
    private number = 0,
  ) {}

  /** The next piece and bar. Bar 0 means the first bar, also in a piece without a pickup. */
  get position(): readonly [piece: number, bar: number] {
    return [this.piece, this.number];
  }

  next(): ProgrammeBar {
    for (;;) {
      const { composed, performed } = this.pieceAt(this.piece, this.number);
      performed.advance();
      const bar = performed.bars.find((found) => found.number >= this.number);
      const isNew = bar && this.number === 0 && this.changesKnown(this.piece, bar.number) !== this.changesKnown(this.piece, 0);
      if (isNew) this.number = bar.number;
      else if (bar) return this.take(bar, composed);
      else if (composed.finished) this.goTo(this.piece + 1, 0);
      else composed.composeBar();
    }
  }

  /** Continues from this bar, which is composed again. */
  goBackTo(piece: number, bar: number): void {
    const known = this.pieces.get(piece);
    if (known) this.discardFrom(known, piece, bar);
    for (const number of this.pieces.keys()) if (number > piece) this.pieces.delete(number);
    this.goTo(piece, bar);
  }

  /** Forgets earlier pieces, to which the programme will not go back. */
  forgetBefore(piece: number): void {
    for (const number of this.pieces.keys()) if (number < piece) this.pieces.delete(number);
  }

  /** The value of a parameter in a bar; null: its default. */
  valueAt(parameter: Parameter, piece: number, bar: number): number | null {
    const lasts = (LASTING_PARAMETERS as readonly Parameter[]).includes(parameter);
    let value = parameter === "length" ? null : this.settings[parameter];
    for (const [p, b, name, to] of this.changes) {
      const applies = name === parameter && (lasts || p === piece);
      if (applies && (p < piece || (p === piece && b <= bar))) value = to;
    }
    return value;
  }

  private take(bar: ComposedBar, composed: ComposedPiece): ProgrammeBar {
    const taken = { ...bar, piece: this.piece, composed, length: this.valuesAt(this.piece, bar.number).bars };
    if (bar.last) this.goTo(this.piece + 1, 0);
    else this.number = bar.number + 1;
    return taken;
  }

  private goTo(piece: number, bar: number): void {
    [this.piece, this.number] = [piece, bar];
  }

  /** A piece that is composed with the changes up to a bar. */
  private pieceAt(number: number, bar: number): PieceInProgress {
    const known = this.pieces.get(number);
    if (known) {
      if (known.known !== this.changesKnown(number, bar)) this.discardFrom(known, number, bar);
      return known;
    }
    const values = (at: number): BarValues => this.valuesAt(number, Math.min(at, this.pieces.get(number)?.horizon ?? bar));
    const composed = new ComposedPiece(this.engine, this.settings.seed + number, values);
    const begun = { composed, horizon: bar, known: this.changesKnown(number, bar), performed: new PerformedBars(composed) };
    this.pieces.set(number, begun);
    return begun;
  }

  private discardFrom(piece: PieceInProgress, number: number, bar: number): void {
    piece.horizon = bar;
    piece.known = this.changesKnown(number, bar);
    piece.composed.discardFrom(bar);
    piece.performed = new PerformedBars(piece.composed);
  }

  private changesKnown(piece: number, bar: number): string {
    return JSON.stringify(this.changes.filter(([p, b, name]) => p === piece && b <= bar && name !== "tempo"));
  }

  private valuesAt(piece: number, bar: number): BarValues {
    return {
      temperature: this.valueAt("temperature", piece, bar) ?? this.engine.about.temperature,
      bars: this.valueAt("length", piece, bar) ?? this.settings.bars,
    };
  }
}
