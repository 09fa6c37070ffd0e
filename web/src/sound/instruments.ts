/* A synthesiser whose instruments arrive while it plays. It starts with the first one that is needed. A voice whose
   instrument has not arrived keeps the one that it had, or takes any other, and changes when its own is there. Drums are
   silent until drums arrive, since no other instrument could stand in for them. */

import { fetchFile, unpack } from "../download/files";
import { partFor, type FontInfo, type Part, type SoundIndex } from "./sound-files";
import type { EmptySynth, Synth } from "./synth";

export const DRUM_CHANNEL = 9; // of General MIDI

/** What a voice plays. */
export interface Needed {
  readonly program: number;
  readonly drums: boolean;
}

interface Channel {
  wanted: Part | null;
  current: Part | null;
  time: number; // of the latest change
}

export class Instruments implements Synth {
  private readonly loading = new Map<string, Promise<void>>(); // by file
  private readonly arrived: Part[] = [];
  private readonly channels = new Map<number, Channel>();

  private constructor(
    private readonly synth: EmptySynth,
    private readonly folder: URL,
    private readonly index: SoundIndex,
  ) {}

  /** Loads the synthesiser and the instruments that are needed first, side by side.
   *  @returns once one of them is there. */
  static async load(
    synth: Promise<EmptySynth>, folder: URL, needed: Promise<readonly Needed[]>, onProgress: (fraction: number) => void,
  ): Promise<Instruments> {
    const index = fetchFile(new URL("index.json", folder)).then(
      (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as SoundIndex,
    );
    synth.catch(() => undefined); // handled below
    const [{ parts }, voices] = await Promise.all([index, needed]);
    const melodic = voices.filter((voice) => !voice.drums);
    const first = [...melodic, ...voices, { program: 0, drums: false }].map((v) => partFor(parts, v.drums, v.program));
    const part = first.find((found) => found !== null);
    if (!part) throw new Error("the soundfont has no instruments");
    const file = fetchFile(new URL(part.file, folder), onProgress).then(unpack);
    file.catch(() => undefined); // handled once the synthesiser is there
    const instruments = new Instruments(await synth, folder, await index);
    await instruments.add(part, file);
    instruments.need(voices);
    return instruments;
  }

  get renderer(): Synth["renderer"] {
    return this.synth.renderer;
  }

  get font(): FontInfo {
    return this.index.font;
  }

  /** Begins to load what voices will need. */
  need(voices: readonly Needed[]): void {
    for (const voice of voices) {
      const part = partFor(this.index.parts, voice.drums, voice.program);
      if (part) this.start(part);
    }
  }

  /** Resolves once all that voices need is there, and fails if some of it cannot be loaded. */
  async complete(voices: readonly Needed[]): Promise<void> {
    this.need(voices);
    const parts = voices.map((voice) => partFor(this.index.parts, voice.drums, voice.program));
    await Promise.all(parts.flatMap((part) => this.loading.get(part?.file ?? "") ?? []));
  }

  noteOn(channel: number, pitch: number, velocity: number, time: number): void {
    if (channel === DRUM_CHANNEL && !this.channels.get(channel)?.current) return;
    this.synth.noteOn(channel, pitch, velocity, time);
  }

  noteOff(channel: number, pitch: number, time: number): void {
    this.synth.noteOff(channel, pitch, time);
  }

  programChange(channel: number, program: number, time: number): void {
    const drums = channel === DRUM_CHANNEL;
    const wanted = partFor(this.index.parts, drums, program);
    if (wanted) this.start(wanted);
    const isThere = wanted !== null && this.arrived.includes(wanted);
    const standIn = this.channels.get(channel)?.current ?? this.arrived.find((other) => other.drums === drums) ?? null;
    this.change(channel, { wanted, current: isThere ? wanted : standIn, time });
  }

  setMuted(channel: number, muted: boolean): void {
    this.synth.setMuted(channel, muted);
  }

  silence(): void {
    this.synth.silence();
  }

  renderAhead(seconds: number): void {
    this.synth.renderAhead(seconds);
  }

  /** Begins to load a part, unless that has been done. A failure is tried again when the part is next needed. */
  private start(part: Part): void {
    if (this.loading.has(part.file)) return;
    const added = this.add(part, fetchFile(new URL(part.file, this.folder)).then(unpack));
    added.catch((error: unknown) => {
      console.warn(`The instrument ${part.name} could not be loaded, and another one is heard: ${String(error)}`);
      this.loading.delete(part.file);
    });
  }

  private add(part: Part, file: Promise<ArrayBuffer>): Promise<void> {
    const added = file.then((bytes) => this.synth.addPart(part.file, bytes)).then(() => this.partArrived(part));
    this.loading.set(part.file, added);
    return added;
  }

  private partArrived(part: Part): void {
    this.arrived.push(part);
    for (const [channel, state] of this.channels) {
      // Not before the latest change, which is scheduled and may be to a stand-in.
      if (state.wanted === part) this.change(channel, { ...state, current: part });
    }
  }

  private change(channel: number, state: Channel): void {
    this.channels.set(channel, state);
    if (state.current) this.synth.programChange(channel, state.current.program, state.time);
  }
}
