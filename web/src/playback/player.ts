/* Plays a stream: keeps a connection, aligns stream time with the audio clock, schedules notes, and reports its state. After
   a lost connection it continues where the known music ends, so short interruptions are not heard. After sleep, a connection
   that says nothing is soon taken for lost, and music that ran far ahead meanwhile is requested again. */

import { StreamClock } from "../music/stream-clock";
import { Timeline, type Bar } from "../music/timeline";
import { voiceLabels } from "../music/voice-labels";
import { backOff, type Disconnection, type MusicSource, type SourceCallbacks } from "../protocol/connection";
import type { BarMessage, LastingParameter, ServerMessage, StreamMessage } from "../protocol/messages";
import type { AudioOutput } from "../sound/audio-output";
import { Scheduler } from "./scheduler";
import { Session, type Position, type Settings } from "./session";
import type { SharedMusic } from "./share-link";
import { VoiceMix } from "./voice-mix";

const FIRST_BAR_DELAY = 0.15; // seconds between the arrival of a first bar and its sound
const LEAST_TIME_LEFT = 0.06; // seconds: a bar that arrives with less time left is delayed
const TICK_INTERVAL = 50; // milliseconds
const SILENCE_LIMIT = 30; // seconds without a message and with nothing left to play: the connection is taken for dead
const ASLEEP = 10; // seconds between two ticks: the device slept, or the page was frozen
const SILENCE_LIMIT_AWAKE = 4; // seconds without a message after sleep; connections often do not survive it
const MOST_WAITING = 30; // seconds of music beyond what the server sends ahead: the stream ran on while the page was frozen
const ALONE_MARGIN = 1; // seconds of music that are left when the page goes on without its server
const HISTORY = 60; // seconds of played bars to keep, in addition to this piece and the one before

export type State =
  | { readonly name: "stopped" }
  | { readonly name: "waiting" } // for the instruments, for the first bar, or for a slow server
  | { readonly name: "playing" }
  | { readonly name: "reconnecting"; readonly reason: string; readonly retryAt: number } // on the clock of performance.now
  | { readonly name: "failed"; readonly reason: string };

/** Where the player's music comes from. */
export interface MusicSources {
  open(settings: Settings, callbacks: SourceCallbacks): MusicSource;
  /** The settings with which the page goes on by itself when its server is lost; null if it cannot. */
  alone(settings: Settings, model: string): Settings | null;
}

export class Player {
  readonly timeline = new Timeline();
  readonly mix = new VoiceMix();
  session: Session;
  state: State = { name: "stopped" };

  private readonly clock = new StreamClock();
  private connection: MusicSource | null = null;
  private scheduler: Scheduler | null = null;
  private ready: Promise<void> = Promise.resolve(); // once the sound can begin
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private tickTimer: ReturnType<typeof setInterval> | undefined;
  private attempt = 0; // to connect, since the last one that succeeded
  private lastKnown: Position | null = null; // the last bar on the timeline when the connection was lost
  private mustAlign = true; // the next bar aligns the clock
  private streamStarted = false; // on this connection
  private pendingChanges: Partial<Record<LastingParameter, number | null>> = {}; // made before that
  private nextIsPending = false; // the next piece was asked for before that
  private lastMessageAt = 0; // milliseconds
  private lastTickAt = Date.now(); // unlike the clock of performance.now, this one runs on while the device sleeps
  private silenceLimit = SILENCE_LIMIT; // seconds
  private withServer: Settings | null = null; // those of before, if the server was lost and the page goes on alone
  private playCount = 0; // of starts and stops: shows a start that it was overtaken

  constructor(
    readonly audio: AudioOutput,
    private readonly sources: MusicSources,
    settings: Settings,
    private readonly onChange: () => void,
  ) {
    this.session = new Session(settings);
    document.addEventListener("visibilitychange", () => this.visibilityChanged());
    window.addEventListener("online", () => this.state.name === "reconnecting" && this.connect());
    audio.context.addEventListener("statechange", () => this.onChange());
  }

  get playing(): boolean {
    return this.state.name !== "stopped" && this.state.name !== "failed";
  }

  /** Whether the next piece is asked for as soon as there is a connection again. */
  get waitsForNextPiece(): boolean {
    return this.nextIsPending;
  }

  /** Whether the server was lost, and the page composes by itself. */
  get isAlone(): boolean {
    return this.withServer !== null;
  }

  /** Plays another session, or continues the current one. The other one can be continued later. Must be called within the
   *  tap. */
  async play(session: Session | null = null): Promise<void> {
    const count = ++this.playCount;
    if (this.withServer && !session) this.session.settings = this.withServer;
    this.withServer = null;
    if (this.playing) this.session.resumeAt = this.currentPosition();
    if (session) {
      this.session = session;
      this.nextIsPending = false;
    }
    this.disconnect();
    this.setState({ name: "waiting" });
    const unlocked = this.audio.unlock();
    this.scheduler?.silence();
    this.timeline.clear();
    this.lastKnown = null;
    this.pendingChanges = {};
    this.attempt = 0;
    this.ready = this.prepareSound(unlocked);
    // The connection opens while the instruments load; not at the station, which does not wait for them.
    const { station } = this.session.settings;
    if (!station) this.connect();
    try {
      await this.ready;
    } catch {
      const reason = "The instruments could not be loaded. Reload the page.";
      if (count !== this.playCount) return;
      this.disconnect();
      this.setState({ name: "failed", reason });
      return;
    }
    if (count !== this.playCount) return;
    this.audio.fadeIn();
    this.tickTimer = setInterval(() => this.tick(), TICK_INTERVAL);
    if (station) this.connect();
  }

  private async prepareSound(unlocked: Promise<void>): Promise<void> {
    const synth = await this.audio.synth;
    await unlocked;
    this.scheduler ??= new Scheduler(
      synth,
      this.timeline,
      (piece, bar) => this.session.programAt(piece, bar),
      (piece, voice) => this.isHeard(piece, voice),
    );
  }

  stop(): void {
    this.playCount++;
    this.session.resumeAt = this.currentPosition();
    this.nextIsPending = false;
    this.disconnect();
    this.setState({ name: "stopped" });
    this.audio.fadeOut(() => this.scheduler?.silence());
  }

  /** Stops, and makes a session the one that `play` continues. */
  prepare(session: Session): void {
    if (this.playing) this.stop();
    this.timeline.clear();
    this.session = session;
  }

  /** Changes a parameter. At the station this has no effect. */
  changeParameter(parameter: LastingParameter, value: number | null): void {
    this.session.settings = { ...this.session.settings, [parameter]: value };
    if (this.session.settings.station) return;
    if (!this.connection) this.session.changeWhileStopped(parameter, value);
    else if (this.streamStarted) this.connection.send({ type: "set", [parameter]: value });
    else this.pendingChanges[parameter] = value;
  }

  /** Asks for the next piece: now, or as soon as there is a connection again. */
  nextPiece(): void {
    if (this.connection && this.streamStarted) this.connection.send({ type: "next" });
    else this.nextIsPending = true;
    this.onChange();
  }

  setProgram(program: number | null): void {
    const { session } = this;
    session.settings = { ...session.settings, program };
    if (program !== null) this.audio.prepare(program);
    const bar = this.currentBar();
    if (bar) session.setProgram(program, bar.piece, bar.bar);
    else if (session.resumeAt) session.setProgram(program, session.resumeAt.piece, session.resumeAt.bar ?? 0);
    if (bar) this.scheduler?.instrumentChanged(bar, this.audio.now);
  }

  isHeard(piece: number, voice: number): boolean {
    const labels = voiceLabels(this.timeline.pieces.get(piece)?.message.voices ?? []);
    return this.mix.hears(labels[voice] ?? "", labels);
  }

  /** The bar that is heard; between two pieces, the last one before. */
  currentBar(): Bar | undefined {
    return this.timeline.barAt(this.audio.audibleTime) ?? this.timeline.bars[0];
  }

  /** What a share link must hold to play the current piece again. */
  share(): SharedMusic | null {
    return this.session.share(this.currentBar()?.piece ?? this.session.resumeAt?.piece ?? 0);
  }

  /** Where to continue after a stop: at the beginning of the interrupted bar. */
  private currentPosition(): Position | null {
    const bar = this.currentBar();
    if (!bar) return this.session.resumeAt;
    const ended = bar.last && this.audio.audibleTime >= bar.time + bar.seconds;
    return ended ? { piece: bar.piece + 1, bar: null } : { piece: bar.piece, bar: bar.bar };
  }

  private connect(): void {
    clearTimeout(this.retryTimer);
    this.connection?.close();
    this.mustAlign = true;
    this.streamStarted = false;
    this.lastMessageAt = performance.now();
    const { ready } = this;
    // What the server says waits for the instruments, in its order; nothing comes of it if they fail to load.
    const later = <Value>(handle: (value: Value) => void) => (value: Value) => {
      ready.then(() => this.connection === connection && handle(value), () => undefined);
    };
    this.silenceLimit = SILENCE_LIMIT;
    const connection = this.sources.open(this.session.settings, {
      firstMessage: () => this.session.request(),
      onMessage: later((message) => this.handle(message)),
      onDisconnect: later((disconnection) => this.handleDisconnection(disconnection)),
    });
    this.connection = connection;
  }

  private handleDisconnection({ retryAfter, reason }: Disconnection): void {
    this.connection = null;
    this.streamStarted = false;
    if (retryAfter === null) {
      this.disconnect();
      this.setState({ name: "failed", reason });
      this.audio.fadeOut(() => this.scheduler?.silence());
      return;
    }
    this.resumeAfterLastBar();
    const seconds = Math.max(retryAfter, backOff(this.attempt++, Math.random()));
    this.retryTimer = setTimeout(() => this.connect(), seconds * 1000);
    this.setState({ name: "reconnecting", reason, retryAt: performance.now() + seconds * 1000 });
  }

  /** Goes on with the next piece of the stream, composed in the page, if the server stays lost and the music ends soon. */
  private goOnAlone(): void {
    const { stream, settings } = this.session;
    const last = this.timeline.bars.at(-1);
    if (!stream || !last || this.timeline.end > this.audio.now + ALONE_MARGIN) return;
    const alone = this.sources.alone(settings, stream.model);
    if (!alone) return;
    this.withServer = settings;
    this.session.settings = alone;
    this.session.resumeAt = { piece: last.piece + 1, bar: null };
    this.connect();
  }

  /** The bars on the timeline are still played; the next connection requests what follows them. */
  private resumeAfterLastBar(): void {
    const last = this.timeline.bars.at(-1);
    this.lastKnown = last ? { piece: last.piece, bar: last.bar } : null;
    if (!last) return;
    const { piece, bar } = last;
    this.session.resumeAt = last.last ? { piece: piece + 1, bar: null } : { piece, bar: bar + 1 };
  }

  private disconnect(): void {
    clearTimeout(this.retryTimer);
    clearInterval(this.tickTimer);
    this.connection?.close();
    this.connection = null;
  }

  private handle(message: ServerMessage): void {
    this.lastMessageAt = performance.now();
    this.silenceLimit = SILENCE_LIMIT;
    switch (message.type) {
      case "stream":
        this.handleStream(message);
        break;
      case "piece":
        if (this.timeline.bars.length && !this.mustAlign) this.clock.correctDrift();
        if (!this.timeline.pieces.has(message.piece)) this.timeline.addPiece(message);
        break;
      case "bar":
        this.handleBar(message);
        break;
      case "end":
        if (!this.mustAlign) this.timeline.addEnd(message, this.clock.toAudio(0));
        break;
      case "change":
        this.session.addChange(message.change);
        break;
      case "error":
        break; // reported when the connection closes
    }
    this.onChange();
  }

  private handleStream(message: StreamMessage): void {
    const before = this.session.stream;
    const same = before?.bundle === message.bundle && before.seed === message.seed;
    if (!same || (this.lastKnown && message.piece < this.lastKnown.piece)) {
      // A different stream, so the known bars do not lead up to it.
      this.timeline.clear();
      this.lastKnown = null;
    }
    this.session.streamStarted(message);
    this.streamStarted = true;
    if (message.kind === "own" && Object.keys(this.pendingChanges).length) {
      this.connection?.send({ type: "set", ...this.pendingChanges });
    }
    this.pendingChanges = {};
    if (message.kind === "own" && this.nextIsPending) this.connection?.send({ type: "next" });
    this.nextIsPending = false;
  }

  private handleBar(message: BarMessage): void {
    const now = this.audio.now;
    if (this.isKnown(message.piece, message.bar)) return;
    this.lastKnown = null;
    if (this.mustAlign) this.clock.align(message.at, Math.max(this.timeline.end, now + FIRST_BAR_DELAY));
    const timeLeft = this.clock.toAudio(message.at) - now;
    if (timeLeft < LEAST_TIME_LEFT) this.clock.delay(FIRST_BAR_DELAY - timeLeft);
    this.clock.observe(message.now, now);
    this.timeline.addBar(message, this.clock.toAudio(0), this.mustAlign);
    this.mustAlign = false;
    this.attempt = 0;
    if (this.state.name !== "playing") this.setState({ name: "playing" });
    this.tick();
  }

  /** Whether a bar that is sent after a lost connection was on the timeline already. */
  private isKnown(piece: number, bar: number): boolean {
    const { lastKnown } = this;
    return lastKnown !== null && (piece < lastKnown.piece || (piece === lastKnown.piece && bar <= (lastKnown.bar ?? 0)));
  }

  private visibilityChanged(): void {
    // Phones may suspend the sound of a hidden page.
    if (!document.hidden && this.playing && this.audio.context.state !== "running") void this.audio.unlock();
    this.tick();
  }

  private tick(): void {
    const sinceLastTick = (Date.now() - this.lastTickAt) / 1000;
    this.lastTickAt = Date.now();
    if (!this.playing || !this.scheduler) return;
    if (sinceLastTick > ASLEEP) this.awake();
    const now = this.audio.now;
    this.scheduler.advance(now, document.hidden);
    const piece = this.currentBar()?.piece;
    if (piece !== undefined) {
      this.timeline.prune(piece - 1, now - HISTORY);
      this.scheduler.applyMix(piece);
    }
    const { end } = this.timeline;
    if (this.state.name === "reconnecting") this.goOnAlone();
    if (this.state.name === "playing" && end < now - LEAST_TIME_LEFT) this.setState({ name: "waiting" });
    const silence = (performance.now() - this.lastMessageAt) / 1000;
    const mayBeDead = end < now + 1 || this.silenceLimit < SILENCE_LIMIT;
    if (this.connection && silence > this.silenceLimit && mayBeDead) this.connection.giveUp();
    const last = this.timeline.bars.at(-1);
    if (last && last.time > now + this.session.ahead + MOST_WAITING) this.requestAgain();
  }

  /** The device slept. Its connection may be dead without a word. */
  private awake(): void {
    this.silenceLimit = SILENCE_LIMIT_AWAKE;
    this.lastMessageAt = performance.now();
    if (this.state.name === "reconnecting") this.connect();
  }

  /** Requests the stream again from the bar that is heard, and at the station from now on. */
  private requestAgain(): void {
    this.session.resumeAt = this.currentPosition();
    this.scheduler?.silence();
    this.timeline.clear();
    this.lastKnown = null;
    this.connect();
  }

  private setState(state: State): void {
    this.state = state;
    this.onChange();
  }
}
