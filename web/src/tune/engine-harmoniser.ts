/* Harmonises in the page alone, with the engine: on a static host, or without a connection. It writes MIDI and MusicXML; it
   reads no files, and there is no PDF. */

import { midiChannel, writeMidi } from "../music/midi-file";
import type { EngineFiles, HarmoniseInfo, Setting, Tune } from "../protocol/messages";
import { HarmoniseError, type FileFormat, type Harmoniser, type HarmoniseOptions } from "./harmoniser";
import { musicXml } from "../notation/musicxml";
import type { Music } from "./music";
import { written } from "./setting-score";
import { musicOfSetting } from "./tune-of";
import type { SettingNews, SettingTask } from "./setting-worker";

const MOST_BARS = 32; // a phone composes eight bars in some seconds
const MOST_NOTES = 300;
const MOST_DRAFTS = 12;
const TICKS_PER_QUARTER = 480;
const VELOCITY = 80;
const SEEDS = 2 ** 31;
const MUSICXML = "application/vnd.recordare.musicxml+xml";
const NEEDS_SERVER = "playbach serve does this";

export class EngineHarmoniser implements Harmoniser {
  private worker: Worker | null = null;
  private latest: { readonly key: string; readonly setting: Setting } | null = null;

  constructor(
    private readonly model: string,
    private readonly files: EngineFiles,
    private readonly url: (path: string) => URL,
  ) {}

  info(): Promise<HarmoniseInfo> {
    const missing = [{ format: "pdf", reason: NEEDS_SERVER }];
    return Promise.resolve({
      model: this.model, ranges: [], formats: ["midi", "musicxml", "tune"], missing, notes: MOST_NOTES, bars: MOST_BARS, file_bytes: 0,
    });
  }

  async harmonise(tune: Tune, options: HarmoniseOptions): Promise<Setting> {
    const key = JSON.stringify([tune, options]);
    if (this.latest?.key === key) return this.latest.setting;
    if (tune.notes.length > MOST_NOTES) throw new HarmoniseError(`Without a server, a tune may have ${MOST_NOTES} notes.`);
    const seed = options.seed ?? Math.floor(Math.random() * SEEDS);
    const { voice, temperature, rules } = options;
    const drafts = Math.min(options.drafts, MOST_DRAFTS);
    const { code, model } = this.files;
    const task: SettingTask = {
      code: this.url(code).href, model: this.url(model).href, tune, voice, options: { seed, temperature, rules, drafts },
    };
    const setting = await this.ask(task);
    this.latest = { key: JSON.stringify([tune, { ...options, seed }]), setting };
    return setting;
  }

  async file(tune: Tune, options: HarmoniseOptions, format: FileFormat): Promise<Blob> {
    if (format === "pdf") throw new HarmoniseError(`There is no PDF here: ${NEEDS_SERVER}.`);
    const setting = await this.harmonise(tune, options);
    const music = musicOfSetting(setting);
    if (format === "musicxml") {
      return new Blob([musicXml(written(music, setting), { title: tune.title ?? "" })], { type: MUSICXML });
    }
    const alone = music.notes.filter(([voice]) => setting.voices[voice]?.name.toLowerCase() === options.voice);
    return midiBlob(format === "tune" ? { ...music, notes: alone } : music);
  }

  read(): Promise<Tune> {
    return Promise.reject(new HarmoniseError(`Without a server, the page reads no files; ${NEEDS_SERVER}.`));
  }

  private ask(task: SettingTask): Promise<Setting> {
    this.worker ??= new Worker(new URL("./setting-worker.ts", import.meta.url), { type: "module" });
    const { worker } = this;
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<SettingNews>) => {
        if (data.type === "setting") resolve(data.setting);
        else reject(new HarmoniseError(data.reason));
      };
      worker.onerror = () => {
        this.worker = null;
        reject(new HarmoniseError("This device cannot compose. Reload the page."));
      };
      worker.postMessage(task);
    });
  }
}

function midiBlob({ voices, notes, meter: [numerator, denominator], pickup, tempo }: Music): Blob {
  const tracks = voices.map(({ name, program }, i) => ({
    name, program, channel: midiChannel(i),
    notes: notes.filter(([voice]) => voice === i).map(([, pitch, tick, duration]) => ({ tick, duration, pitch, velocity: VELOCITY })),
  }));
  const begin = pickup ? [{ tick: 0, ...meterOf(pickup) }] : [];
  const bytes = writeMidi({
    ticksPerQuarter: TICKS_PER_QUARTER, tempos: [{ tick: 0, qpm: tempo }], marker: "",
    meters: [...begin, { tick: pickup, numerator, denominator }], tracks: tracks.filter((track) => track.notes.length),
  });
  return new Blob([bytes], { type: "audio/midi" });
}

/** The meter of a pickup. */
function meterOf(ticks: number): { readonly numerator: number; readonly denominator: number } {
  const sixteenths = ticks / (TICKS_PER_QUARTER / 4);
  for (const denominator of [4, 8]) {
    const numerator = (sixteenths * denominator) / 16;
    if (Number.isInteger(numerator)) return { numerator, denominator };
  }
  return { numerator: sixteenths, denominator: 16 };
}
