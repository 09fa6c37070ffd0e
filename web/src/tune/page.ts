/* The page of one's own tune: connects the entry, the settings, the duet and the sound. */

import { element } from "../page/element";
import type { HarmoniseInfo } from "../protocol/messages";
import { siteUrl } from "../page/sources";
import { showSound } from "../page/sound-info";
import type { AudioOutput } from "../sound/audio-output";
import { DuetView } from "./duet-view";
import { EMPTY_TUNE, entriesOf, offGrid } from "./entry";
import { EntryView } from "./entry-view";
import { EXAMPLE } from "./example";
import { HarmoniseError, type Harmoniser } from "./harmoniser";
import { hearMidi, type Keys } from "./midi-input";
import type { Beat } from "./metronome";
import { PianoRow, pitchOfCode } from "./piano-row";
import { Recorder } from "./recorder";
import { SettingView } from "./setting-view";
import { Sounds } from "./sounds";
import type { TakenTune } from "./take";
import { entryAtTick, messageOf, musicOfTune, stateOf } from "./tune-of";
import { TunePlayer } from "./tune-player";

const KEY_VELOCITY = 90;
const USUAL_MOST_BARS = 64; // until the harmoniser has said it

export class TunePage {
  private readonly sounds: Sounds;
  private readonly tunePlayer: TunePlayer;
  private readonly settingPlayer: TunePlayer;
  private readonly entry: EntryView;
  private readonly setting: SettingView;
  private readonly piano: PianoRow;
  private readonly recorder: Recorder;
  private readonly duet: DuetView;
  private harmoniser: Harmoniser | null = null;
  private info: HarmoniseInfo | null = null;
  private animating = false;

  constructor(private readonly audio: AudioOutput) {
    this.audio.setVolume(0.8);
    this.sounds = new Sounds(this.audio);
    this.tunePlayer = new TunePlayer(this.audio, () => this.update());
    this.settingPlayer = new TunePlayer(this.audio, () => this.update());
    this.entry = new EntryView(
      {
        onChange: () => this.tuneChanged(),
        onTouch: (pitch) => this.sounds.touch(pitch),
        onPlay: () => void this.togglePlay(),
        onHarmonise: () => void this.setting.harmonise(),
      },
      () => this.info?.bars ?? USUAL_MOST_BARS,
    );
    this.setting = new SettingView(this.settingPlayer, () => messageOf(this.entry.tune), () => this.playSetting());
    this.piano = new PianoRow(element("piano"), this.keys);
    this.recorder = new Recorder(
      this.audio, this.sounds, () => this.beat(), (isActive) => this.listen(isActive), (taken) => this.takeDown(taken),
    );
    const duetUrl = siteUrl("duet");
    duetUrl.protocol = duetUrl.protocol === "https:" ? "wss:" : "ws:";
    this.duet = new DuetView(this.audio, this.sounds, duetUrl, () => this.beat(), (isActive) => this.listen(isActive));
    this.addListeners();
    this.audio.synth.then(
      (synth) => showSound(element("renderer"), synth),
      () => this.say("The instruments could not be loaded. Reload the page."),
    );
    this.update();
  }

  /** Offers what the harmoniser can do; a duet needs a server. */
  ready(harmoniser: Harmoniser, info: HarmoniseInfo, instruments: readonly string[], hasServer: boolean): void {
    this.harmoniser = harmoniser;
    this.info = info;
    this.setting.ready(harmoniser, info, instruments);
    if (hasServer) element("duet", HTMLButtonElement).disabled = false;
    else element("duet-status").textContent = "A duet needs a server: playbach serve.";
  }

  /** Shows why there is no harmoniser. */
  failed(reason: string): void {
    element("setting-status").textContent = reason;
  }

  /** What the keys of the page, of the computer and of a MIDI keyboard do. */
  private readonly keys: Keys = {
    onNote: (pitch, velocity, time) => {
      this.piano.show(pitch, true);
      const player = this.listener();
      if (player) player.onNote(pitch, velocity, time);
      else {
        this.sounds.begin(pitch, velocity);
        this.entry.addPlayed(pitch);
      }
    },
    onRelease: (pitch, time) => {
      this.piano.show(pitch, false);
      const player = this.listener();
      if (player) player.onRelease(pitch, time);
      else this.sounds.end(pitch);
    },
  };

  /** What takes the keys instead of the entry. */
  private listener(): Keys | null {
    return this.duet.active ? this.duet : this.recorder.active ? this.recorder : null;
  }

  private beat(): Beat {
    const { tempo, meter } = this.entry.tune;
    return { tempo, meter };
  }

  /** A recording or a duet begins, or has ended. */
  private listen(isActive: boolean): void {
    if (!isActive) return;
    this.tunePlayer.stop();
    this.settingPlayer.pause();
    this.recorder.stop();
    this.duet.stop();
  }

  private takeDown({ notes, pickup }: TakenTune): void {
    const { tune } = this.entry;
    const entries = entriesOf(notes, [], tune.key);
    this.entry.setTune({ ...tune, entries, cursor: entries.length, pickup });
  }

  /** While something takes the keys, the computer's keyboard is a piano. */
  private addPianoKeys(): void {
    const down = new Set<string>();
    const isKey = (event: KeyboardEvent): boolean => {
      const inField = event.target instanceof Element && event.target.closest("input, select, dialog") !== null;
      return !inField && !event.ctrlKey && !event.metaKey && !event.altKey && pitchOfCode(event.code) !== null;
    };
    document.addEventListener("keydown", (event) => {
      const pitch = pitchOfCode(event.code);
      if (pitch === null || !this.listener() || !isKey(event)) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.repeat || down.has(event.code)) return;
      down.add(event.code);
      this.keys.onNote(pitch, KEY_VELOCITY, event.timeStamp);
    }, { capture: true });
    document.addEventListener("keyup", (event) => {
      const pitch = pitchOfCode(event.code);
      if (pitch === null || !down.delete(event.code)) return;
      this.keys.onRelease(pitch, event.timeStamp);
    }, { capture: true });
  }

  private addListeners(): void {
    this.addPianoKeys();
    element("play-tune").addEventListener("click", () => void this.togglePlay());
    element("clear").addEventListener("click", () => this.entry.setTune({ ...EMPTY_TUNE, tempo: this.entry.tune.tempo }));
    element("example").addEventListener("click", () => this.entry.setTune(stateOf(EXAMPLE)));
    element("midi").addEventListener("click", () => void this.connectMidi());
    const file = element("file", HTMLInputElement);
    file.addEventListener("change", () => {
      const chosen = file.files?.[0];
      if (chosen) void this.open(chosen);
      file.value = "";
    });
    const frame = document.body;
    for (const name of ["dragover", "dragleave", "drop"] as const) {
      frame.addEventListener(name, (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        element("staff-frame").classList.toggle("dropping", name === "dragover");
        const dropped = event.dataTransfer.files[0];
        if (name === "drop" && dropped) void this.open(dropped);
      });
    }
  }

  private async open(file: File): Promise<void> {
    if (!this.harmoniser) return;
    this.say(`Reading ${file.name}…`);
    try {
      const tune = await this.harmoniser.read(file);
      this.entry.setTune(stateOf(tune, this.entry.tune));
      const rounded = offGrid(tune.notes);
      const remarks = [...(tune.remarks ?? [])];
      if (rounded) remarks.push(`${rounded} of its notes are rounded to sixteenths`);
      if (remarks.length) this.say(`${file.name}: ${remarks.join("; ")}.`);
    } catch (error) {
      this.say(error instanceof HarmoniseError ? `${file.name}: ${error.message}` : `${file.name} could not be read.`);
    }
  }

  private async connectMidi(): Promise<void> {
    try {
      await hearMidi(this.keys, (names) => {
        this.say(names.length ? `Listening to ${names.join(", ")}.` : "No MIDI keyboard is connected; connect one now.");
      });
    } catch (error) {
      this.say(error instanceof Error ? error.message : "");
    }
  }

  private tuneChanged(): void {
    this.tunePlayer.stop();
    this.setting.tuneChanged();
    this.update();
  }

  private async togglePlay(): Promise<void> {
    if (this.tunePlayer.playing) {
      this.tunePlayer.pause();
      return;
    }
    if (!this.entry.tune.entries.length) return;
    this.settingPlayer.pause();
    if (this.tunePlayer.position === 0) this.tunePlayer.load(musicOfTune(this.entry.tune));
    await this.start(this.tunePlayer);
  }

  private async playSetting(): Promise<void> {
    this.tunePlayer.stop();
    await this.start(this.settingPlayer);
  }

  private async start(player: TunePlayer): Promise<void> {
    this.duet.stop();
    this.recorder.stop();
    try {
      await player.play();
    } catch {
      this.say("The instruments could not be loaded. Reload the page.");
    }
    this.animate();
  }

  private update(): void {
    element("play-tune").textContent = this.tunePlayer.playing ? "Pause" : "Play the tune";
    element("play-tune", HTMLButtonElement).disabled = !this.entry.tune.entries.length;
    this.setting.showPlaying();
    this.animate();
  }

  private animate(): void {
    if (this.animating) return;
    this.animating = true;
    const frame = (time: number): void => {
      this.draw(time / 1000);
      this.animating = this.tunePlayer.playing || this.settingPlayer.playing;
      if (this.animating) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  private draw(time: number): void {
    const { tunePlayer, settingPlayer, entry } = this;
    entry.staff.mark(tunePlayer.playing ? entryAtTick(entry.tune, tunePlayer.tick) : -1);
    if (!settingPlayer.loaded) return;
    this.setting.roll.draw(settingPlayer.shown, time);
    this.setting.score.mark(settingPlayer.playing ? settingPlayer.tick : null);
  }

  private say(text: string): void {
    element("entry-status").textContent = text;
  }
}
