/* The events of a composed piece, in ticks from its beginning and in the order of their ticks. */

import type { ChoiceRow, Voice } from "../protocol/messages";
import { TICKS_PER_QUARTER } from "./defaults";

export interface MeterEvent {
  readonly kind: "meter";
  readonly tick: number;
  readonly numerator: number;
  readonly denominator: number;
}

export interface TempoEvent {
  readonly kind: "tempo";
  readonly tick: number;
  /** Quarter notes a minute. */
  readonly qpm: number;
}

export interface NoteEvent {
  readonly kind: "note";
  readonly tick: number;
  readonly duration: number;
  readonly pitch: number;
  readonly velocity: number;
  readonly track: number;
  readonly choices: readonly ChoiceRow[];
}

export interface EndEvent {
  readonly kind: "end";
  readonly tick: number;
}

export type PieceEvent = MeterEvent | TempoEvent | NoteEvent | EndEvent;

/** What is fixed before the first event. */
export interface PieceStart {
  readonly tracks: readonly Voice[];
  /** Whether the network composed the dynamics. */
  readonly velocities: boolean;
}

export function barTicks(meter: { readonly numerator: number; readonly denominator: number }): number {
  return Math.floor((TICKS_PER_QUARTER * 4 * meter.numerator) / meter.denominator);
}
