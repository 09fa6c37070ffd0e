/* Performs a piece whose events are all there, and splits it into bars. */

import { BarSplitter, type ComposedBar } from "../../src/engine/bars";
import type { PieceEvent, PieceStart } from "../../src/engine/events";
import { Performer } from "../../src/engine/performance";

export function* perform(start: PieceStart, events: Iterable<PieceEvent>): Generator<PieceEvent> {
  const performer = new Performer(start);
  for (const event of events) yield* performer.take(event);
}

export function* splitIntoBars(events: Iterable<PieceEvent>): Generator<ComposedBar> {
  const splitter = new BarSplitter();
  for (const event of events) yield* splitter.take(event);
}
