/* The settings of the tune: asks for them, plays and shows one, keeps the last ones, and saves their files. */

import { element } from "../page/element";
import { fillInstrumentMenu } from "../page/instrument-menu";
import { PianoRoll } from "../page/piano-roll";
import { voiceClass } from "../page/voice-colours";
import type { HarmoniseInfo, Setting, Tune } from "../protocol/messages";
import { sentence } from "../protocol/reasons";
import { HarmoniseError, type FileFormat, type Harmoniser, type HarmoniseOptions, type VoiceName } from "./harmoniser";
import { keyName } from "./pitches";
import { SettingScore } from "./setting-score";
import { musicOfSetting } from "./tune-of";
import type { TunePlayer } from "./tune-player";

interface Kept {
  readonly setting: Setting;
  /** What it was asked for with. */
  readonly tune: Tune;
  readonly options: HarmoniseOptions;
  readonly number: number;
}

const MOST_KEPT = 8;
const MORE_DRAFTS = 32;
const USUAL_DRAFTS = 16;
const FORMAT_NAMES: Record<string, string> = { musicxml: "MusicXML", pdf: "PDF" };
const SUFFIXES: Record<FileFormat, string> = { midi: ".mid", musicxml: ".musicxml", pdf: ".pdf", tune: ".mid" };

export class SettingView {
  readonly roll: PianoRoll;
  readonly score = new SettingScore(element("score"));
  private kept: Kept[] = [];
  private shown: Kept | null = null;
  private count = 0;
  private busy = false;

  private harmoniser: Harmoniser | null = null;

  constructor(
    private readonly player: TunePlayer,
    private readonly tune: () => Tune,
    private readonly play: () => Promise<void>,
  ) {
    this.roll = new PianoRoll(element("roll", HTMLCanvasElement), player.timeline);
    element("harmonise").addEventListener("click", () => void this.harmonise());
    element("another").addEventListener("click", () => void this.harmonise());
    element("play-setting").addEventListener("click", () => void this.togglePlay());
    for (const button of document.querySelectorAll<HTMLButtonElement>("[data-format]")) {
      button.addEventListener("click", () => void this.save(button.dataset.format as FileFormat));
    }
    const temperature = element("temperature", HTMLInputElement);
    temperature.addEventListener("input", () => {
      element("temperature-value").textContent = temperature.value === "1" ? "as learnt" : temperature.value;
    });
    const instrument = element("instrument", HTMLSelectElement);
    instrument.addEventListener("change", () => player.setProgram(instrument.value === "" ? null : Number(instrument.value)));
  }

  /** Offers what the harmoniser can do. */
  ready(harmoniser: Harmoniser, info: HarmoniseInfo, instruments: readonly string[]): void {
    this.harmoniser = harmoniser;
    fillInstrumentMenu(element("instrument", HTMLSelectElement), instruments);
    for (const { format, reason } of info.missing) {
      element(`save-${format}`, HTMLButtonElement).disabled = true;
      const line = element("missing");
      line.textContent = `${line.textContent}No ${FORMAT_NAMES[format] ?? format} here: ${reason}. `;
      line.hidden = false;
    }
    this.showButtons();
  }

  /** The tune has changed: what was composed before is still there, but "another" would be of the new tune. */
  tuneChanged(): void {
    this.showButtons();
  }

  /** Composes a setting of the tune, another one each time, and plays it. */
  async harmonise(): Promise<void> {
    const { harmoniser } = this;
    if (this.busy || !harmoniser) return;
    const tune = this.tune();
    if (!tune.notes.length) {
      this.say("The tune has no notes yet: enter some, or open a file.");
      return;
    }
    this.busy = true;
    this.showButtons();
    this.player.stop();
    this.say("Composing three voices…");
    try {
      const options = this.options(this.nextSeed(tune));
      const setting = await harmoniser.harmonise(tune, options);
      this.keep({ setting, tune, options: { ...options, seed: setting.seed }, number: ++this.count });
      await this.play();
    } catch (error) {
      this.say(reasonOf(error));
    } finally {
      this.busy = false;
      this.showButtons();
    }
  }

  showPlaying(): void {
    element("play-setting").textContent = this.player.playing ? "Pause" : "Play";
  }

  private async togglePlay(): Promise<void> {
    if (this.player.playing) this.player.pause();
    else await this.play();
  }

  private options(seed: number | null): HarmoniseOptions {
    const temperature = element("temperature", HTMLInputElement);
    return {
      voice: element("voice", HTMLSelectElement).value as VoiceName,
      seed,
      temperature: temperature.value === "1" ? null : temperature.valueAsNumber,
      rules: element("rules", HTMLInputElement).checked,
      drafts: element("more-drafts", HTMLInputElement).checked ? MORE_DRAFTS : USUAL_DRAFTS,
    };
  }

  /** The seed after the last one of the same tune; null for a new tune: any. */
  private nextSeed(tune: Tune): number | null {
    const last = this.kept.at(-1);
    return last && JSON.stringify(last.tune) === JSON.stringify(tune) ? last.setting.seed + 1 : null;
  }

  private keep(kept: Kept): void {
    this.kept = [...this.kept, kept].slice(-MOST_KEPT);
    this.show(kept);
  }

  private show(kept: Kept): void {
    const { setting } = kept;
    this.shown = kept;
    this.player.load(musicOfSetting(setting));
    element("setting").hidden = false;
    element("command").textContent = setting.command;
    element("again").hidden = !setting.command;
    this.showVoices(setting);
    this.score.show(musicOfSetting(setting), setting);
    const key = keyName(setting);
    const remarks = setting.remarks.map(sentence);
    this.say([`Setting ${kept.number}, in ${key}, seed ${setting.seed}.`, ...remarks].join(" "));
    this.showKept();
  }

  private showKept(): void {
    const items = this.kept.map((kept) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "button";
      button.textContent = `Setting ${kept.number}`;
      button.setAttribute("aria-pressed", String(kept === this.shown));
      button.addEventListener("click", () => {
        this.show(kept);
        void this.play();
      });
      const item = document.createElement("li");
      item.append(button);
      return item;
    });
    element("kept").replaceChildren(...items);
    element("kept").hidden = this.kept.length < 2;
  }

  private showVoices(setting: Setting): void {
    const items = setting.voices.map(({ name }, i) => {
      const item = document.createElement("li");
      const swatch = document.createElement("i");
      swatch.className = `swatch voice ${voiceClass(i)}`;
      item.append(swatch, name.toLowerCase() === this.shown?.options.voice ? `${name} (your tune)` : name);
      return item;
    });
    element("voices").replaceChildren(...items);
  }

  private async save(format: FileFormat): Promise<void> {
    const { shown, harmoniser } = this;
    if (!shown || !harmoniser) return;
    try {
      const blob = await harmoniser.file(shown.tune, shown.options, format);
      const { title = "" } = shown.tune;
      const name = format === "tune" ? "tune" : `${title === "" ? "setting" : title}-${shown.setting.seed}`;
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${name}${SUFFIXES[format]}`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    } catch (error) {
      this.say(reasonOf(error));
    }
  }

  private showButtons(): void {
    element("harmonise", HTMLButtonElement).disabled = this.busy || !this.harmoniser;
    element("harmonise").classList.toggle("waiting", this.busy);
    element("another", HTMLButtonElement).disabled = this.busy || this.nextSeed(this.tune()) === null;
  }

  private say(text: string): void {
    element("setting-status").textContent = text;
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof HarmoniseError) return error.message;
  return "This page does not match its server. Reload the page.";
}
