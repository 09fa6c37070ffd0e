/* Plays the radio: keeps a connection, lays the stream's seconds on the audio clock, and tells what goes on. A connection that
   breaks is taken up again where the music that is known ends, so short breaks are not heard.

   Knows nothing of the page's elements. */

import type { Audio } from "../sound/audio-output";
import { StreamClock } from "../music/stream-clock";
import { backOff, Connection, type Lost } from "../protocol/connection";
import type { Shared } from "./share-link";
import type { BarMessage, ServerMessage, StreamMessage } from "../protocol/messages";
import { Scheduler } from "./scheduler";
import { Session, type Place, type Wishes } from "./session";
import { Timeline, type Bar } from "../music/timeline";

const LEAD = 0.15; // seconds between a first bar's coming and its sound
const LATE = 0.06; // a bar that comes with less to spare is moved
const EVERY = 50; // milliseconds
const SILENT_FOR = 30; // seconds without a word and nothing left to play: the connection is dead, not the server slow
const KEPT = 60; // seconds of what was heard, beside this piece and the one before

export type State =
  | { readonly name: "stopped" }
  | { readonly name: "waiting" } // for the instruments, for the first bar, or for a server that does not keep up
  | { readonly name: "playing" }
  | { readonly name: "lost"; readonly reason: string; readonly seconds: number }
  | { readonly name: "failed"; readonly reason: string };

export class Player {
  readonly timeline = new Timeline();
  session: Session;
  state: State = { name: "stopped" };

  private readonly clock = new StreamClock();
  private connection: Connection | null = null;
  private scheduler: Scheduler | null = null;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private ticking: ReturnType<typeof setInterval> | undefined;
  private attempt = 0; // to connect, since the last one that went well
  private known: Place | null = null; // the last bar that we had when a connection was lost
  private relay = true; // the next bar lays the clock anew
  private answered = false; // this connection's stream has begun
  private unsaid: Partial<Record<"temperature" | "tempo", number | null>> = {}; // turned before that
  private heardOf = 0; // when the server last said something, in milliseconds
  private run = 0; // counts starts and stops: a start that was overtaken sees it here

  constructor(
    readonly audio: Audio,
    private readonly address: URL,
    wishes: Wishes,
    private readonly changed: () => void,
  ) {
    this.session = new Session(wishes);
    document.addEventListener("visibilitychange", () => this.tick());
    window.addEventListener("online", () => this.state.name === "lost" && this.connect());
    audio.context.addEventListener("statechange", () => this.changed());
  }

  get playing(): boolean {
    return this.state.name !== "stopped" && this.state.name !== "failed";
  }

  /** To be called inside the tap: plays on where it was stopped, or with a session of its own something new. */
  async play(session: Session | null = null): Promise<void> {
    const run = ++this.run;
    if (session) this.session = session;
    else if (this.playing) this.session.resume = this.place();
    this.drop();
    this.become({ name: "waiting" });
    const unlocked = this.audio.unlock();
    try {
      const synth = await this.audio.ready;
      await unlocked;
      this.scheduler ??= new Scheduler(synth, this.timeline, (piece, bar) => this.session.programAt(piece, bar));
    } catch {
      if (run === this.run) this.become({ name: "failed", reason: "The instruments did not come. Reload the page." });
      return;
    }
    if (run !== this.run) return;
    this.scheduler.silence();
    this.timeline.clear();
    this.known = null;
    this.unsaid = {};
    this.attempt = 0;
    this.audio.open();
    this.ticking = setInterval(() => this.tick(), EVERY);
    this.connect();
  }

  stop(): void {
    this.run++;
    this.session.resume = this.place();
    this.drop();
    this.become({ name: "stopped" });
    this.audio.close(() => this.scheduler?.silence());
  }

  /** Gets something else ready to be played. */
  load(session: Session): void {
    if (this.playing) this.stop();
    this.timeline.clear();
    this.session = session;
  }

  /** Turns a knob of an own stream. */
  turn(knob: "temperature" | "tempo", value: number | null): void {
    this.session.wishes = { ...this.session.wishes, [knob]: value };
    if (this.session.wishes.station) return;
    if (!this.connection) this.session.turnedAtRest(knob, value);
    else if (this.answered) this.connection.send({ type: "set", [knob]: value });
    else this.unsaid[knob] = value;
  }

  next(): void {
    this.connection?.send({ type: "next" });
  }

  setProgram(program: number | null): void {
    const { session } = this;
    session.wishes = { ...session.wishes, program };
    const bar = this.bar();
    if (bar) session.setProgram(program, bar.piece, bar.bar);
    else if (session.resume) session.setProgram(program, session.resume.piece, session.resume.bar ?? 0);
    if (bar) this.scheduler?.retune(bar, this.audio.now);
  }

  /** The bar that is heard, or in a breath the one before. */
  bar(): Bar | undefined {
    return this.timeline.barAt(this.audio.heard) ?? this.timeline.bars[0];
  }

  shared(): Shared | null {
    return this.session.shared(this.bar()?.piece ?? this.session.resume?.piece ?? 0);
  }

  /** Where to go on after a stop: with the bar that is heard, as it was cut short. */
  private place(): Place | null {
    const bar = this.bar();
    if (!bar) return this.session.resume;
    const over = bar.last && this.audio.heard >= bar.time + bar.seconds;
    return over ? { piece: bar.piece + 1, bar: null } : { piece: bar.piece, bar: bar.bar };
  }

  private connect(): void {
    clearTimeout(this.retry);
    this.connection?.close();
    this.relay = true;
    this.answered = false;
    this.heardOf = performance.now();
    this.connection = new Connection(
      this.address,
      () => this.session.asking(),
      (message) => this.take(message),
      (lost) => this.lose(lost),
    );
  }

  private lose(lost: Lost): void {
    this.connection = null;
    if (lost.again === null) {
      this.drop();
      this.become({ name: "failed", reason: lost.reason });
      this.audio.close(() => this.scheduler?.silence());
      return;
    }
    this.goOnAfterLast();
    const seconds = Math.max(lost.again, backOff(this.attempt++, Math.random()));
    this.retry = setTimeout(() => this.connect(), seconds * 1000);
    this.become({ name: "lost", reason: lost.reason, seconds });
  }

  /** What is known is played on; what is asked for next comes after that. */
  private goOnAfterLast(): void {
    const last = this.timeline.bars.at(-1);
    this.known = last ? { piece: last.piece, bar: last.bar } : null;
    if (!last) return;
    this.session.resume = last.last ? { piece: last.piece + 1, bar: null } : { piece: last.piece, bar: last.bar + 1 };
  }

  private drop(): void {
    clearTimeout(this.retry);
    clearInterval(this.ticking);
    this.connection?.close();
    this.connection = null;
  }

  private take(message: ServerMessage): void {
    this.heardOf = performance.now();
    switch (message.type) {
      case "stream":
        this.takeStream(message);
        break;
      case "piece":
        if (this.timeline.bars.length && !this.relay) this.clock.mend();
        if (!this.timeline.pieces.has(message.piece)) this.timeline.addPiece(message);
        break;
      case "bar":
        this.takeBar(message);
        break;
      case "end":
        if (!this.relay) this.timeline.addEnd(message, this.clock.toAudio(0));
        break;
      case "change":
        this.session.record(message.change);
        break;
      case "error":
        break; // told when the connection closes
    }
    this.changed();
  }

  private takeStream(message: StreamMessage): void {
    const before = this.session.stream;
    const same = before?.bundle === message.bundle && before.seed === message.seed;
    if (!same || (this.known && message.piece < this.known.piece)) {
      // Another programme: what is known of the old one is not gone on with.
      this.timeline.clear();
      this.known = null;
    }
    this.session.begun(message);
    this.answered = true;
    if (message.kind === "own" && Object.keys(this.unsaid).length) this.connection?.send({ type: "set", ...this.unsaid });
    this.unsaid = {};
  }

  private takeBar(message: BarMessage): void {
    const now = this.audio.now;
    if (this.has(message.piece, message.bar)) return;
    this.known = null;
    if (this.relay) this.clock.lay(message.at, Math.max(this.timeline.until, now + LEAD));
    const spare = this.clock.toAudio(message.at) - now;
    if (spare < LATE) this.clock.delay(LEAD - spare);
    this.clock.observe(message.now, now);
    this.timeline.addBar(message, this.clock.toAudio(0), this.relay);
    this.relay = false;
    this.attempt = 0;
    if (this.state.name !== "playing") this.become({ name: "playing" });
    this.tick();
  }

  /** Whether a bar that comes again after a lost connection is one that we still had. */
  private has(piece: number, bar: number): boolean {
    const { known } = this;
    return known !== null && (piece < known.piece || (piece === known.piece && bar <= (known.bar ?? 0)));
  }

  private tick(): void {
    if (!this.playing || !this.scheduler) return;
    const now = this.audio.now;
    this.scheduler.advance(now, document.hidden);
    const piece = this.bar()?.piece;
    if (piece !== undefined) this.timeline.prune(piece - 1, now - KEPT);
    if (this.state.name === "playing" && this.timeline.until < now - LATE) this.become({ name: "waiting" });
    const silent = (performance.now() - this.heardOf) / 1000;
    if (this.connection && silent > SILENT_FOR && this.timeline.until < now + 1) this.connection.giveUp();
  }

  private become(state: State): void {
    this.state = state;
    this.changed();
  }
}
