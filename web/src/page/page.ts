/* The page: connects the player, the views and the controls, and shows the status in words. */

import { writeMidi } from "../music/midi-file";
import { parameterValues } from "../music/parameter-changes";
import { Player } from "../playback/player";
import { recordingUntil } from "../playback/recording";
import { Session, type Settings } from "../playback/session";
import { fromFragment, toFragment, type SharedMusic } from "../playback/share-link";
import type { AudioOutput } from "../sound/audio-output";
import { ChoicesView } from "./choices";
import { Controls } from "./controls";
import { element } from "./element";
import { PianoRoll } from "./piano-roll";
import { siteUrl, Sources, type SiteInfo } from "./sources";
import { showSound } from "./sound-info";
import { voiceClass } from "./voice-colours";

const DEFAULTS: Settings = {
  station: false, model: null, runtime: null, seed: null, ...parameterValues(() => null), program: null,
};

export class Page {
  private readonly playButton = element("play", HTMLButtonElement);
  private readonly status = element("status");
  private readonly position = element("position");
  private link: SharedMusic | null = null; // the page was opened with it, and it has not been played yet
  private animating = false;
  private shownVoices = "";

  private readonly player: Player;
  private readonly roll: PianoRoll;
  private readonly choices: ChoicesView;
  private readonly controls: Controls;

  constructor(
    private readonly site: SiteInfo,
    private readonly audio: AudioOutput,
  ) {
    const sources = new Sources(site);
    this.player = new Player(audio, (settings, callbacks) => sources.open(settings, callbacks), DEFAULTS, () => this.update());
    this.roll = new PianoRoll(element("roll", HTMLCanvasElement), this.player.timeline);
    this.choices = new ChoicesView(element("choices"), this.player.timeline);
    audio.onLoading = () => this.player.state.name === "waiting" && this.update();
    this.controls = new Controls(site, site.instruments, {
      onParameter: (parameter, value) => this.player.changeParameter(parameter, value),
      onProgram: (value) => this.player.setProgram(value),
      onVolume: (volume) => this.audio.setVolume(volume),
      onNewStream: () => this.playNewStream(),
    });
    this.audio.setVolume(this.controls.volume);
    this.player.session.settings = this.controls.settings();
    this.addListeners();
    this.readLink();
    this.playButton.disabled = false;
    const first = site.models[0];
    if (first) this.choices.build(first.voices, first.fields);
    if (first) this.position.textContent = first.name;
    element("blind-test-link").hidden = !site.blind_test;
    this.audio.synth.then((synth) => showSound(element("renderer"), synth), () => undefined); // told when it is played
    this.update();
  }

  private addListeners(): void {
    this.playButton.addEventListener("click", () => this.togglePlay());
    element("next").addEventListener("click", () => this.player.nextPiece());
    element("download").addEventListener("click", () => this.download());
    element("share").addEventListener("click", () => this.openShareDialog());
    element("copy").addEventListener("click", () => void this.copyLink());
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
    else if (this.link) this.playLink(this.link);
    else void this.player.play();
    this.animate();
  }

  /** Plays a new stream with the settings of the controls. */
  private playNewStream(): void {
    this.link = null;
    // The URL no longer describes what plays.
    if (window.location.hash) window.history.replaceState(null, "", window.location.pathname);
    void this.player.play(new Session(this.controls.settings()));
    this.animate();
  }

  private playLink(link: SharedMusic): void {
    this.link = null;
    void this.player.play(Session.fromLink(link, this.controls.settings()));
  }

  /** Reads the share link that the page was opened with, if any. */
  private readLink(): void {
    this.link = fromFragment(window.location.hash);
    if (this.link) {
      this.player.prepare(Session.fromLink(this.link, this.controls.settings()));
      this.controls.apply(this.player.session.settings);
      this.position.textContent = this.link.model;
    }
    this.update();
  }

  private download(): void {
    const recording = recordingUntil(this.player.timeline, this.player.session, this.audio.audibleTime);
    if (!recording) return;
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(new Blob([writeMidi(recording.file)], { type: "audio/midi" }));
    anchor.download = recording.name;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
  }

  private openShareDialog(): void {
    const shared = this.player.share();
    if (!shared) return;
    const link = element("link", HTMLInputElement);
    link.value = new URL(toFragment(shared), siteUrl(".")).href;
    element("copy-status").textContent = "";
    element("localhost-hint").hidden = !/^(localhost|127\.|\[::1\])/.test(window.location.hostname);
    element("share-dialog", HTMLDialogElement).showModal();
    link.select();
  }

  private async copyLink(): Promise<void> {
    const link = element("link", HTMLInputElement);
    link.select();
    // Undefined on plain HTTP, although its type does not allow that. The deprecated command still works there.
    const clipboard = navigator.clipboard as Clipboard | undefined;
    const written = clipboard ? clipboard.writeText(link.value) : Promise.reject(new Error("no clipboard"));
    const copied = await written.then(
      () => true,
      () => document.execCommand("copy"), // eslint-disable-line @typescript-eslint/no-deprecated
    );
    element("copy-status").textContent = copied ? "Link copied." : "Could not copy. Please copy the link by hand.";
  }

  /** Draws every frame for as long as the music plays. */
  private animate(): void {
    if (this.animating) return;
    this.animating = true;
    const frame = (time: number): void => {
      this.animating = this.player.playing;
      const audible = this.audio.audibleTime;
      this.roll.draw(audible, time / 1000);
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
    element("prompt").textContent = this.link ? "Press play." : "Press play to hear music that nobody has heard before.";
    element("prompt").hidden = playing || hasMusic;
    element("download", HTMLButtonElement).disabled = !hasMusic;
    element("share", HTMLButtonElement).disabled = session.stream === null;
    element("next", HTMLButtonElement).disabled = !hasMusic || !playing || session.stream?.kind !== "own";
    // Screen readers announce every change of the status, so it is set only when it differs.
    const status = this.statusText();
    if (this.status.textContent !== status) this.status.textContent = status;
    if (playing) this.animate();
  }

  private statusText(): string {
    const { state } = this.player;
    switch (state.name) {
      case "waiting":
        return this.audio.loaded < 1
          ? `Loading the instruments: ${Math.round(this.audio.loaded * 100)}%`
          : "Waiting for the music…";
      case "playing":
        return this.audio.context.state === "running" ? "Playing" : "The sound was interrupted. Press pause, then play.";
      case "reconnecting":
        return `${state.reason} Reconnecting${state.seconds < 3 ? "…" : ` in ${Math.round(state.seconds)} seconds.`}`;
      case "failed":
        return state.reason;
      case "stopped":
        return this.link ? this.linkText(this.link) : "";
    }
  }

  private linkText(link: SharedMusic): string {
    const model = this.site.models.find((known) => known.name === link.model);
    if (!model) return `This link needs the model ${link.model}, which this server does not have.`;
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
    const text = `Piece ${bar.piece + 1}, bar ${Math.max(1, bar.bar)} of ${Math.max(piece.bars, bar.bar)}`;
    if (this.position.textContent !== text) this.position.textContent = text;
    this.choices.build(piece.voices, session.fields);
    this.showVoices(piece.voices.map((voice) => voice.name));
    this.controls.show({
      parameters: parameterValues((parameter) => session.parameterAt(parameter, bar.piece, bar.bar)),
      program: session.programAt(bar.piece, bar.bar),
      composedTempo: piece.tempo,
      seed: session.stream?.seed ?? null,
    });
  }

  private showVoices(names: readonly string[]): void {
    const joined = names.join("\n");
    if (joined === this.shownVoices) return;
    this.shownVoices = joined;
    const items = names.map((name, i) => {
      const item = document.createElement("li");
      const swatch = document.createElement("i");
      swatch.className = `swatch voice ${voiceClass(i)}`;
      item.append(swatch, name || `Voice ${i + 1}`);
      return item;
    });
    element("voices").replaceChildren(...items);
  }
}
