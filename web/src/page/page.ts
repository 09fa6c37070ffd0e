/* The page: connects the player, the views and the controls, and shows the status in words. */

import { parameterValues } from "../music/parameter-changes";
import { WEB_RUNTIME } from "../protocol/messages";
import { voiceLabels } from "../music/voice-labels";
import { Player } from "../playback/player";
import { recordingUntil } from "../playback/recording";
import { Session, type Settings } from "../playback/session";
import { DamagedLink, fromFragment, toFragment, type SharedMusic } from "../playback/share-link";
import type { AudioOutput } from "../sound/audio-output";
import { ChoicesView } from "./choices";
import { Controls } from "./controls";
import { DownloadMenu } from "./download-menu";
import { element } from "./element";
import { LockScreen } from "./lock-screen";
import { MusicViews } from "./music-views";
import { PianoRoll } from "./piano-roll";
import { Preview } from "./preview";
import { ShareDialog } from "./share-dialog";
import { showSound } from "./sound-info";
import { siteUrl, Sources, type SiteInfo } from "./sources";
import { Strip } from "./strip";
import { VoicesView } from "./voices";
import { WakeLock } from "./wake-lock";

const ENGINE_DELAY = 20_000; // milliseconds of playing until the engine is loaded, in case that the server is lost

const DEFAULTS: Settings = {
  station: false, model: null, runtime: null, seed: null, ...parameterValues(() => null), program: null,
};

const COUNTDOWN_INTERVAL = 250; // milliseconds

export class Page {
  private readonly playButton = element("play", HTMLButtonElement);
  private readonly status = element("status");
  private readonly countdown = element("countdown");
  private readonly position = element("position");
  private readonly prompt = element("prompt");
  private link: SharedMusic | null = null; // the page was opened with it, and it has not been played yet
  private linkFault = ""; // why the link that the page was opened with cannot be read
  private ownSession: Session | null = null; // which continues after the station
  private countdownTimer: ReturnType<typeof setInterval> | undefined;
  private animating = false;

  private readonly player: Player;
  private readonly prepareEngine: () => void;
  private engineTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly roll: PianoRoll;
  private readonly strip: Strip;
  private readonly voices: VoicesView;
  private readonly views: MusicViews;
  private readonly choices: ChoicesView;
  private readonly controls: Controls;
  private readonly shareDialog = new ShareDialog();
  private readonly lockScreen = new LockScreen({ onPlay: () => this.startPlaying(), onPause: () => this.player.stop() });
  private readonly wakeLock = new WakeLock();
  private preview: Preview | null = new Preview(element("preview", HTMLCanvasElement));

  constructor(
    private readonly site: SiteInfo,
    private readonly audio: AudioOutput,
  ) {
    const sources = new Sources(site);
    this.player = new Player(audio, sources, DEFAULTS, () => this.update());
    this.prepareEngine = () => sources.prepare(this.player.session.stream?.model ?? null);
    const { timeline, mix } = this.player;
    const isHeard = (piece: number, voice: number): boolean => this.player.isHeard(piece, voice);
    this.roll = new PianoRoll(element("roll", HTMLCanvasElement), timeline, { isHeard });
    this.views = new MusicViews(timeline, () => this.animate());
    this.strip = new Strip(timeline, isHeard, () => this.togglePlay());
    this.voices = new VoicesView(element("voices"), mix, () => this.animate()); // draws once, if nothing plays
    this.choices = new ChoicesView(element("choices"), timeline);
    audio.onLoading = () => this.player.state.name === "waiting" && this.update();
    this.controls = new Controls(site, site.instruments, {
      onParameter: (parameter, value) => this.player.changeParameter(parameter, value),
      onProgram: (value) => this.player.setProgram(value),
      onVolume: (volume) => this.audio.setVolume(volume),
      onScreen: () => this.update(),
      onStation: (station) => this.changeStream(station),
      onNewStream: () => this.playNewStream(),
    });
    this.audio.setVolume(this.controls.volume);
    this.player.session.settings = this.controls.settings();
    this.addListeners();
    this.readLink();
    this.playButton.disabled = false;
    const first = site.models[0];
    if (first) this.choices.build(first.voices, first.fields);
    if (first) this.voices.show(voiceLabels(first.voices));
    if (first) this.position.textContent = first.name;
    element("blind-test-link").hidden = !site.blind_test;
    this.audio.synth.then((synth) => showSound(element("renderer"), synth), () => undefined); // told when it is played
    this.update();
  }

  private addListeners(): void {
    this.playButton.addEventListener("click", () => this.togglePlay());
    this.prompt.addEventListener("click", () => this.startPlaying());
    element("next").addEventListener("click", () => this.player.nextPiece());
    new DownloadMenu(this.site.server ? siteUrl("api/score.pdf") : null, () =>
      recordingUntil(this.player.timeline, this.player.session, this.audio.audibleTime));
    element("share").addEventListener("click", () => this.openShareDialog());
    const explanation = element("explanation", HTMLDialogElement);
    element("explain").addEventListener("click", () => explanation.showModal());
    window.addEventListener("hashchange", () => this.readLink());
    document.addEventListener("keydown", (event) => {
      const onControl = event.target instanceof Element && event.target.closest("button, input, select, a, dialog");
      if (event.key !== " " || onControl || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.togglePlay();
    });
  }

  private togglePlay(): void {
    if (this.player.playing) this.player.stop();
    else this.startPlaying();
    this.animate();
  }

  private startPlaying(): void {
    if (this.linkFault) this.forgetLink();
    this.startSession(this.link && Session.fromLink(this.link, this.controls.settings()));
  }

  /** Plays a new stream with the settings of the controls. */
  private playNewStream(): void {
    this.forgetLink();
    this.startSession(new Session(this.controls.settings()));
  }

  /** Plays a session, or continues the current one. */
  private startSession(session: Session | null): void {
    this.link = null;
    this.preview?.stop();
    this.preview = null;
    element("preview").hidden = true;
    this.lockScreen.play();
    void this.player.play(session);
    this.animate();
  }

  /** Goes to the station, or back to the listener's own piece, where it was left. */
  private changeStream(station: boolean): void {
    if (station) this.ownSession = this.player.session;
    else if (this.ownSession) {
      this.controls.apply(this.ownSession.settings);
      this.startSession(this.ownSession);
      return;
    }
    this.playNewStream();
  }

  /** The URL no longer describes what plays. */
  private forgetLink(): void {
    this.link = null;
    this.linkFault = "";
    if (window.location.hash) window.history.replaceState(null, "", window.location.pathname);
  }

  /** Reads the share link that the page was opened with, if any. */
  private readLink(): void {
    [this.link, this.linkFault] = [null, ""];
    try {
      this.link = fromFragment(window.location.hash);
    } catch (error) {
      if (!(error instanceof DamagedLink)) throw error;
      this.linkFault = error.message;
      if (this.player.playing) this.player.stop();
    }
    if (this.link) {
      this.player.prepare(Session.fromLink(this.link, this.controls.settings()));
      this.controls.apply(this.player.session.settings);
      this.position.textContent = this.link.model;
    }
    this.update();
  }

  private openShareDialog(): void {
    const shared = this.player.share();
    if (shared) this.shareDialog.open(new URL(toFragment(shared), siteUrl(".")).href);
  }

  /** Draws every frame for as long as the music plays. */
  private animate(): void {
    if (this.animating) return;
    this.animating = true;
    const frame = (time: number): void => {
      this.animating = this.player.playing;
      const audible = this.audio.audibleTime;
      if (this.views.showsRoll) this.roll.draw(audible, time / 1000);
      this.strip.draw(audible, time / 1000);
      this.views.draw(audible);
      this.choices.draw(audible);
      this.showPosition();
      if (this.animating) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  private update(): void {
    const { state, playing, session } = this.player;
    const hasMusic = this.player.timeline.bars.length > 0;
    this.playButton.classList.toggle("playing", playing);
    this.playButton.classList.toggle("waiting", state.name === "waiting");
    this.playButton.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.strip.update(playing, state.name === "waiting");
    this.prompt.textContent = this.promptText();
    this.prompt.hidden = playing || hasMusic;
    element("download", HTMLButtonElement).disabled = !hasMusic;
    element("share", HTMLButtonElement).disabled = session.stream === null;
    const next = element("next", HTMLButtonElement);
    next.disabled = !hasMusic || !playing || session.stream?.kind !== "own";
    next.classList.toggle("pending", this.player.waitsForNextPiece);
    if (!playing) this.lockScreen.pause();
    this.wakeLock.set(playing && this.controls.keepScreenOn);
    // Screen readers announce every change of the status, so it is set only when it differs.
    const status = this.statusText();
    if (this.status.textContent !== status) this.status.textContent = status;
    this.showCountdown();
    if (playing) this.animate();
    if (state.name === "playing" && this.site.server) this.engineTimer ??= setTimeout(this.prepareEngine, ENGINE_DELAY);
  }

  /** Shows when the next attempt to connect is made. Screen readers do not announce it, since it changes every second. */
  private showCountdown(): void {
    const { state } = this.player;
    const seconds = state.name === "reconnecting" ? Math.ceil((state.retryAt - performance.now()) / 1000) : 0;
    const text = state.name !== "reconnecting" ? "" : seconds > 0 ? ` in ${seconds} ${seconds === 1 ? "second" : "seconds"}` : "…";
    if (this.countdown.textContent !== text) this.countdown.textContent = text;
    if (state.name !== "reconnecting") {
      clearInterval(this.countdownTimer);
      this.countdownTimer = undefined;
    }
    else this.countdownTimer ??= setInterval(() => this.showCountdown(), COUNTDOWN_INTERVAL);
  }

  private promptText(): string {
    if (this.linkFault) return "This link is damaged. Press play to hear other music.";
    return this.link ? "Press play." : "Press play to hear music that nobody has heard before.";
  }

  private statusText(): string {
    const { state } = this.player;
    switch (state.name) {
      case "waiting":
        return this.audio.loaded < 1
          ? `Loading the instruments: ${Math.round(this.audio.loaded * 100)}%`
          : "Waiting for the music…";
      case "playing":
        if (this.audio.context.state !== "running") return "The sound was interrupted. Press pause, then play.";
        return this.player.isAlone ? "Playing. The server was lost, so your device composes now." : "Playing";
      case "reconnecting":
        return `${state.reason} ${this.player.waitsForNextPiece ? "The next piece follows after reconnecting" : "Reconnecting"}`;
      case "failed":
        return state.reason;
      case "stopped":
        if (this.linkFault) return `This link is damaged: ${this.linkFault}. Ask for the link again.`;
        return this.link ? this.linkText(this.link) : "";
    }
  }

  private linkText(link: SharedMusic): string {
    const model = this.site.models.find((known) => known.name === link.model);
    if (!model) return `This link needs the model ${link.model}, which this server does not have.`;
    if (!this.site.server && link.runtime !== WEB_RUNTIME) {
      return "Someone shared this piece with you. A server composed it; on this page it will sound different.";
    }
    return model.bundle.startsWith(link.bundle)
      ? "Someone shared this piece with you."
      : "Someone shared this piece with you, but the model has changed since then: it will sound different.";
  }

  /** Shows the current bar, its voices and its values. */
  private showPosition(): void {
    const { player } = this;
    const bar = player.currentBar();
    const piece = bar && player.timeline.pieces.get(bar.piece)?.message;
    if (!bar || !piece) return;
    const { session } = player;
    const place = `bar ${Math.max(1, bar.bar)} of ${Math.max(piece.bars, bar.bar)}`;
    const text = `Piece ${bar.piece + 1}, ${place}`;
    if (this.position.textContent !== text) this.position.textContent = text;
    this.strip.show(place.replace("bar", "Bar"));
    const canSkip = session.stream?.kind === "own";
    this.lockScreen.show(`Piece ${bar.piece + 1}`, session.stream?.model ?? "", canSkip ? () => this.player.nextPiece() : null);
    this.choices.build(piece.voices, session.fields);
    this.voices.show(voiceLabels(piece.voices));
    this.controls.show({
      parameters: parameterValues((parameter) => session.parameterAt(parameter, bar.piece, bar.bar)),
      program: session.programAt(bar.piece, bar.bar),
      composedTempo: piece.tempo,
      seed: session.stream?.seed ?? null,
    });
  }
}
