/* Paces a stream: sends each bar some seconds before it is due, and applies parameter changes while it plays
   (src/playbach/streaming/session.py does the same). */

import type { ChangeRow, LastingParameter } from "../protocol/messages";
import { PACING } from "./defaults";
import type { Stream, TimedBar } from "./stream";

/** Time in seconds, and timers; tests pass their own. */
export interface Clock {
  now(): number;
  /** Calls back after so many seconds.
   *  @returns a function that cancels the call. */
  after(seconds: number, callback: () => void): () => void;
}

const TOLERANCE = 0.001; // seconds
const FIRST_COST = 0.3; // seconds: how long composing a bar is expected to take before it is known

type Request = { readonly parameter: LastingParameter; readonly value: number | null } | "next";

export class PacedSession {
  private readonly requests = new Map<LastingParameter | "next", Request>();
  private origin: number | null = null;
  private lastChange = -PACING.changeInterval;
  private cost = FIRST_COST;
  private cancel: () => void = () => undefined;

  constructor(
    private readonly stream: Stream,
    private readonly clock: Clock,
    private readonly send: (item: TimedBar | ChangeRow) => void,
  ) {}

  /** The stream's clock; the first bar begins at 0. */
  get now(): number {
    return this.origin === null ? 0 : this.clock.now() - this.origin;
  }

  /** Begins now, or as if it had begun at the clock's time `origin`. */
  start(origin?: number): void {
    const first = [this.composeBar()];
    while (this.stream.nextAt < PACING.preroll) first.push(this.composeBar());
    this.origin = origin ?? this.clock.now() - (first[0]?.at ?? 0);
    for (const bar of first) this.send(bar);
    this.advance();
  }

  stop(): void {
    this.cancel();
  }

  change(parameter: LastingParameter, value: number | null): void {
    this.request(parameter, { parameter, value });
  }

  /** Ends the piece soon, with a cadence. */
  nextPiece(): void {
    this.request("next", "next");
  }

  private request(key: LastingParameter | "next", request: Request): void {
    this.requests.set(key, request);
    if (this.origin !== null) this.advance();
  }

  /** Does one thing that is due, and waits for the next. One bar at a time, so that messages are read in between. */
  private advance(): void {
    this.cancel();
    const rest = this.lastChange + PACING.changeInterval - this.now;
    const due = this.stream.nextAt - PACING.ahead - this.now;
    if (this.requests.size && rest < TOLERANCE) {
      this.applyChanges();
      this.wait(0);
    } else if (due > TOLERANCE) {
      this.wait(this.requests.size ? Math.min(due, rest) : due);
    } else {
      this.stream.forgetBefore(this.now);
      this.send(this.composeBar());
      this.wait(0);
    }
  }

  private wait(seconds: number): void {
    this.cancel = this.clock.after(seconds, () => this.advance());
  }

  private applyChanges(): void {
    const now = this.now;
    const earliest = now + PACING.spare + 1.5 * this.cost;
    for (const request of this.requests.values()) {
      const change = request === "next"
        ? this.stream.endPieceSoon(earliest, now)
        : this.stream.change(request.parameter, request.value, earliest);
      if (!change) continue;
      this.lastChange = this.now;
      this.send(change);
    }
    this.requests.clear();
  }

  private composeBar(): TimedBar {
    const begun = this.clock.now();
    const bar = this.stream.next();
    const cost = this.clock.now() - begun;
    this.cost += (cost - this.cost) * (cost > this.cost ? 0.5 : 0.05);
    return bar;
  }
}
