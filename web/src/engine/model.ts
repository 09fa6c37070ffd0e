/* The engine that composes in the page: the C engine as WebAssembly, with one model. It computes the same symbols as
   playbach's integer reference in Python. Knows steps and notes, but neither pieces nor time. */

import type { ChoiceRow, MeterRow, Voice } from "../protocol/messages";
import { MAX_ALTERNATIVES } from "./defaults";

/** How a piece can begin. */
export interface Beginning {
  readonly tempo: number;
  /** Ticks before the first full bar. */
  readonly pickup: number;
  /** Ticks of a full bar. */
  readonly bar: number;
  readonly meter: MeterRow;
  readonly programs: readonly number[];
}

/** What the model file says of the model (src/playbach/export/web). */
export interface AboutModel {
  readonly name: string;
  readonly bundle: string;
  readonly engine: string;
  readonly encoding: "chorale" | "notes";
  readonly temperature: number;
  readonly topP: number;
  readonly fields: readonly { readonly name: string; readonly symbols: readonly string[] }[];
  readonly tracks: readonly Voice[];
  readonly headers: readonly Beginning[];
}

/** The beginning of a note, or with velocity 0 its end. */
export interface EngineEvent {
  readonly tick: number;
  readonly track: number;
  readonly pitch: number;
  readonly velocity: number;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly room: (bytes: number) => number;
  readonly load: (bytes: number) => number;
  readonly seed: (low: number, high: number) => void;
  readonly draw_header: () => number;
  readonly begin: (header: number, bars: number) => void;
  readonly end_after: (bars: number) => void;
  readonly compose: (temperature: number, topP: number, rules: number) => number;
  readonly take: (symbol: number) => number;
  readonly finish: () => number;
  readonly finished: () => number;
  readonly is_good_ending: () => number;
  readonly bars_left: () => number;
  readonly bar: () => number;
  readonly tick: () => number;
  readonly piece_address: () => number;
  readonly piece_bytes: () => number;
  readonly random_address: () => number;
  readonly step_address: () => number;
  readonly events_address: () => number;
  readonly logits_address: (field: number) => number;
  readonly mask_address: (field: number) => number;
}

const EVENT_BYTES = 8;
const RANDOM_BYTES = 16;
const TEMPERATURE_ONE = 256;
const TOP_P_ONE = 65536;
const HIGHEST_TEMPERATURE = 2560;
const NAT = 65536; // the logits' integer for one nat
const HEADER_BYTES = 12;
const NAME_BYTES = 32;
const ENTRY_BYTES = NAME_BYTES + 8;

/** The description in a model file.
 *  @throws Error if the file is damaged. */
export function readAbout(file: Uint8Array): AboutModel {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const text = new TextDecoder();
  if (text.decode(file.subarray(0, 4)) !== "PBWM" || view.getUint32(4, true) !== 1) throw new Error("the model file is damaged");
  for (let i = 0; i < view.getUint32(8, true); i++) {
    const entry = HEADER_BYTES + i * ENTRY_BYTES;
    const name = text.decode(file.subarray(entry, entry + NAME_BYTES)).replace(/\0+$/, "");
    if (name !== "about") continue;
    const start = view.getUint32(entry + NAME_BYTES, true);
    return JSON.parse(text.decode(file.subarray(start, start + view.getUint32(entry + NAME_BYTES + 4, true)))) as AboutModel;
  }
  throw new Error("the model file is damaged");
}

export class Engine {
  private constructor(
    readonly about: AboutModel,
    private readonly wasm: Exports,
  ) {}

  /** @throws Error if the model file is damaged or of another encoding. */
  static async create(code: BufferSource, model: Uint8Array): Promise<Engine> {
    const about = readAbout(model);
    const { instance } = await WebAssembly.instantiate(code, {});
    const wasm = instance.exports as unknown as Exports;
    const address = wasm.room(model.length);
    if (!address) throw new Error("there is not enough memory for the model");
    new Uint8Array(wasm.memory.buffer).set(model, address);
    if (!wasm.load(model.length)) throw new Error("the model file is damaged");
    return new Engine(about, wasm);
  }

  /** Begins a piece, which has no end yet.
   *  @returns how it begins. */
  begin(seed: number): Beginning {
    this.wasm.seed(seed >>> 0, Math.floor(seed / 2 ** 32));
    const number = this.wasm.draw_header();
    this.wasm.begin(number, 0);
    const beginning = this.about.headers[number];
    if (!beginning) throw new Error("the model file is damaged");
    return beginning;
  }

  /** Begins a piece with one of the model's headers, by its index, which ends after so many bars. */
  beginWith(seed: number, header: number, bars: number): void {
    this.wasm.seed(seed >>> 0, Math.floor(seed / 2 ** 32));
    this.wasm.begin(header, bars);
  }

  endAfter(bars: number): void {
    this.wasm.end_after(bars);
  }

  /** Composes a step.
   *  @returns the events that it completes. */
  compose(temperature: number, rules = true): EngineEvent[] {
    const q8 = Math.max(0, Math.min(HIGHEST_TEMPERATURE, Math.round(temperature * TEMPERATURE_ONE)));
    const topP = Math.max(1, Math.min(TOP_P_ONE, Math.round(this.about.topP * TOP_P_ONE)));
    return this.events(this.wasm.compose(q8, topP, rules ? 1 : 0));
  }

  /** Takes a given symbol as the next step; null if it is not possible there. */
  take(symbol: number): EngineEvent[] | null {
    const count = this.wasm.take(symbol);
    return count < 0 ? null : this.events(count);
  }

  /** Ends all notes that sound. */
  finish(): EngineEvent[] {
    return this.events(this.wasm.finish());
  }

  get finished(): boolean {
    return this.wasm.finished() !== 0;
  }

  get endsWell(): boolean {
    return this.wasm.is_good_ending() !== 0;
  }

  get isLastBar(): boolean {
    return this.wasm.bars_left() === 0;
  }

  get bar(): number {
    return this.wasm.bar();
  }

  get tick(): number {
    return this.wasm.tick();
  }

  /** The symbols of the last step. */
  get step(): readonly number[] {
    return [...new Uint16Array(this.wasm.memory.buffer, this.wasm.step_address(), this.about.fields.length)];
  }

  /** How the symbols of the last step were chosen, at temperature 1. */
  choices(): ChoiceRow[] {
    return this.about.fields.map((field, i) => {
      const size = field.symbols.length;
      const logits = new Int32Array(this.wasm.memory.buffer, this.wasm.logits_address(i), size);
      const mask = new Uint8Array(this.wasm.memory.buffer, this.wasm.mask_address(i), size);
      return choiceRow(field.symbols, logits, mask, this.step[i] ?? 0);
    });
  }

  /** The probabilities of the last step's first field at temperature 1: of all symbols, whether the mask allows them or not. */
  probabilities(): number[] {
    const size = this.about.fields[0]?.symbols.length ?? 0;
    const logits = new Int32Array(this.wasm.memory.buffer, this.wasm.logits_address(0), size);
    const most = Math.max(...logits);
    const weights = Array.from(logits, (logit) => Math.exp((logit - most) / NAT));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.map((weight) => weight / total);
  }

  /** Which symbols the last step's mask allowed. */
  allowed(): boolean[] {
    const size = this.about.fields[0]?.symbols.length ?? 0;
    return Array.from(new Uint8Array(this.wasm.memory.buffer, this.wasm.mask_address(0), size), Boolean);
  }

  /** All that the rest of the piece depends on. */
  snapshot(): Uint8Array {
    return this.state.slice();
  }

  /** Returns to a snapshot; with `keepRandom`, other random numbers follow than before. */
  restore(snapshot: Uint8Array, keepRandom = false): void {
    const random = new Uint8Array(this.wasm.memory.buffer, this.wasm.random_address(), RANDOM_BYTES);
    const kept = random.slice();
    this.state.set(snapshot);
    if (keepRandom) random.set(kept);
  }

  private get state(): Uint8Array {
    return new Uint8Array(this.wasm.memory.buffer, this.wasm.piece_address(), this.wasm.piece_bytes());
  }

  private events(count: number): EngineEvent[] {
    const view = new DataView(this.wasm.memory.buffer, this.wasm.events_address(), count * EVENT_BYTES);
    return Array.from({ length: count }, (_, i) => {
      const at = i * EVENT_BYTES;
      return { tick: view.getUint32(at, true), track: view.getUint8(at + 4), pitch: view.getUint8(at + 5), velocity: view.getUint8(at + 6) };
    });
  }
}

/** A symbol's probability among those that the mask allows, and the most probable others. */
function choiceRow(symbols: readonly string[], logits: Int32Array, mask: Uint8Array, chosen: number): ChoiceRow {
  const allowed = Array.from(mask.keys()).filter((i) => mask[i]);
  const most = Math.max(...allowed.map((i) => logits[i] ?? 0));
  const weights = new Map(allowed.map((i) => [i, Math.exp(((logits[i] ?? 0) - most) / NAT)]));
  const total = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  const probability = (i: number): number => Math.round(((weights.get(i) ?? 0) / total) * 1e4) / 1e4;
  const others = allowed.filter((i) => i !== chosen).sort((a, b) => (weights.get(b) ?? 0) - (weights.get(a) ?? 0));
  return [
    symbols[chosen] ?? "",
    probability(chosen),
    others.slice(0, MAX_ALTERNATIVES).map((i) => [symbols[i] ?? "", probability(i)] as const),
  ];
}
