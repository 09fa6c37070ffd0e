/* The page: puts player, picture and knobs together, and says in words what goes on. */

import { Audio, fetchSoundFont } from "../sound/audio-output";
import { Choices } from "./choices";
import { Controls, element } from "./controls";
import { fromFragment, toFragment, type Shared } from "../playback/share-link";
import { writeMidi } from "../music/midi-file";
import { Player } from "../playback/player";
import type { ModelsInfo } from "../protocol/messages";
import { record } from "../playback/recording";
import { Roll } from "./piano-roll";
import { Session, type Wishes } from "../playback/session";

const NONE: Wishes = {
  station: false, model: null, runtime: null, seed: null, temperature: null, tempo: null, program: null,
};

export const address = (path: string): URL => new URL(path, document.baseURI);

function socketAddress(): URL {
  const url = address("ws");
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}

export class Page {
  private readonly play = element<HTMLButtonElement>("play");
  private readonly status = element("status");
  private readonly piece = element("piece");
  private loaded = 0; // share of the instruments that has come
  private link: Shared | null = null;
  private drawing = false;
  private voices = "";

  private readonly audio = new Audio(fetchSoundFont(address("soundfont"), (share) => this.load(share)));
  private readonly player = new Player(this.audio, socketAddress(), NONE, () => this.refresh());
  private readonly roll = new Roll(element<HTMLCanvasElement>("roll"), this.player.timeline);
  private readonly choices = new Choices(element("choices"), this.player.timeline);
  private readonly controls: Controls;

  constructor(
    private readonly info: ModelsInfo,
    instruments: readonly string[],
  ) {
    this.controls = new Controls(info, instruments, {
      tempo: (value) => this.player.turn("tempo", value),
      temperature: (value) => this.player.turn("temperature", value),
      program: (value) => this.player.setProgram(value),
      volume: (share) => this.audio.setVolume(share),
      programme: () => this.begin(),
    });
    this.audio.setVolume(this.controls.volumeShare);
    this.player.session.wishes = this.controls.wishes();
    this.listen();
    this.follow();
    this.play.disabled = false;
    const first = info.models[0];
    if (first) this.choices.build(first.voices, first.fields);
    if (first) this.piece.textContent = first.name;
    void this.audio.ready.then((synth) => (element("way").textContent = `Your device makes the sound: ${synth.way}.`));
    this.refresh();
  }

  private listen(): void {
    this.play.addEventListener("click", () => this.toggle());
    element("next").addEventListener("click", () => this.player.next());
    element("download").addEventListener("click", () => this.download());
    element("share").addEventListener("click", () => this.share());
    element("copy").addEventListener("click", () => void this.copy());
    window.addEventListener("hashchange", () => {
      this.follow();
    });
    document.addEventListener("keydown", (event) => {
      const busy = event.target instanceof Element && event.target.closest("button, input, select, a, dialog");
      if (event.key !== " " || busy || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      this.toggle();
    });
  }

  private toggle(): void {
    if (this.player.playing) this.player.stop();
    else if (this.link) this.open(this.link);
    else void this.player.play();
    this.animate();
  }

  /** Something new, as the knobs ask for. */
  private begin(): void {
    this.link = null;
    // The address is no longer that of what plays.
    if (window.location.hash) window.history.replaceState(null, "", window.location.pathname);
    void this.player.play(new Session(this.controls.wishes()));
    this.animate();
  }

  private open(shared: Shared): void {
    this.link = null;
    void this.player.play(Session.of(shared, this.controls.wishes()));
  }

  /** Reads the link that the page was opened with. */
  private follow(): void {
    this.link = fromFragment(window.location.hash);
    if (this.link) {
      this.player.load(Session.of(this.link, this.controls.wishes()));
      this.controls.take(this.player.session.wishes);
      this.piece.textContent = this.link.model;
    }
    this.refresh();
  }

  private load(share: number): void {
    this.loaded = share;
    if (this.player.state.name === "waiting") this.refresh();
  }

  private download(): void {
    const recording = record(this.player.timeline, this.player.session, this.audio.heard);
    if (!recording) return;
    const anchor = document.createElement("a");
    anchor.href = URL.createObjectURL(new Blob([writeMidi(recording.file)], { type: "audio/midi" }));
    anchor.download = recording.name;
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
  }

  private share(): void {
    const shared = this.player.shared();
    if (!shared) return;
    const link = element<HTMLInputElement>("link");
    link.value = new URL(toFragment(shared), address(".")).href;
    element("copied").textContent = "";
    element("only-here").hidden = !/^(localhost|127\.|\[::1\])/.test(window.location.hostname);
    element<HTMLDialogElement>("sharing").showModal();
    link.select();
  }

  private async copy(): Promise<void> {
    const link = element<HTMLInputElement>("link");
    link.select();
    // Undefined on a plain-HTTP address, whatever the type says; there the old way still works.
    const clipboard = navigator.clipboard as Clipboard | undefined;
    const done = clipboard ? clipboard.writeText(link.value) : Promise.reject(new Error("no clipboard"));
    const copied = await done.then(
      () => true,
      () => document.execCommand("copy"),
    );
    element("copied").textContent = copied ? "Copied." : "Copy the link from the field above.";
  }

  private animate(): void {
    if (this.drawing) return;
    this.drawing = true;
    const frame = (time: number): void => {
      this.drawing = this.player.playing;
      const heard = this.audio.heard;
      this.roll.draw(heard, time / 1000);
      this.choices.draw(heard);
      this.tell();
      if (this.drawing) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  private refresh(): void {
    const { state, playing } = this.player;
    this.play.classList.toggle("playing", playing);
    this.play.classList.toggle("waiting", state.name === "waiting");
    this.play.setAttribute("aria-label", playing ? "Pause" : "Play");
    element("invitation").textContent = this.link ? "Press play." : "Press play. Nobody has heard this before.";
    element("invitation").hidden = playing || this.player.timeline.bars.length > 0;
    const heard = this.player.timeline.bars.length > 0;
    element<HTMLButtonElement>("download").disabled = !heard;
    element<HTMLButtonElement>("share").disabled = this.player.session.stream === null;
    element<HTMLButtonElement>("next").disabled = !heard || !playing || this.player.session.stream?.kind !== "own";
    this.say(this.words());
    if (playing) this.animate();
  }

  private words(): string {
    const { state } = this.player;
    switch (state.name) {
      case "waiting":
        return this.loaded < 1 ? `Fetching the instruments, ${Math.round(this.loaded * 100)} %` : "One moment …";
      case "playing":
        return this.audio.context.state === "running" ? "Playing" : "The sound was interrupted. Press pause and play.";
      case "lost":
        return `${state.reason} Trying again${state.seconds < 3 ? " …" : ` in ${Math.round(state.seconds)} seconds.`}`;
      case "failed":
        return state.reason;
      case "stopped":
        return this.link ? this.invitation(this.link) : "";
    }
  }

  private invitation(link: Shared): string {
    const model = this.info.models.find((known) => known.name === link.model);
    if (!model) return `This link needs the model ${link.model}, which is not here.`;
    const same = model.bundle.startsWith(link.bundle);
    return same
      ? "Somebody shared this piece with you."
      : "Somebody shared this piece with you, but the model has changed since: it will sound otherwise.";
  }

  /** Says something only where it is new, as it is read out. */
  private say(text: string): void {
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  /** Where the music is, in words and at the knobs. */
  private tell(): void {
    const { player } = this;
    const bar = player.bar();
    const placed = bar && player.timeline.pieces.get(bar.piece);
    if (!bar || !placed) return;
    const { session } = player;
    const text = `Piece ${bar.piece + 1}, bar ${Math.max(1, bar.bar)} of ${Math.max(placed.piece.bars, bar.bar)}`;
    if (this.piece.textContent !== text) this.piece.textContent = text;
    this.choices.build(placed.piece.voices, session.fields);
    this.tellVoices(placed.piece.voices.map((voice) => voice.name));
    this.controls.show({
      tempo: session.knob("tempo", bar.piece, bar.bar),
      temperature: session.knob("temperature", bar.piece, bar.bar),
      program: session.programAt(bar.piece, bar.bar),
      qpm: placed.piece.tempo,
      seed: session.stream?.seed ?? null,
    });
  }

  private tellVoices(names: readonly string[]): void {
    if (names.join("\n") === this.voices) return;
    this.voices = names.join("\n");
    const items = names.map((name, i) => {
      const item = document.createElement("li");
      const swatch = document.createElement("i");
      swatch.className = `swatch voice voice-${i % 8}`;
      item.append(swatch, name || `Voice ${i + 1}`);
      return item;
    });
    element("voices").replaceChildren(...items);
  }
}
