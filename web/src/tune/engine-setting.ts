/* Composes a setting of a tune with the engine in the page, as `inference/harmonising.py` does for a network that is told
   nothing: drafts are composed side by side, weighed by how probable they make the tune, and drawn anew at its notes. The
   server's network is told what the tune does next, which the engine's is not: its settings are less well prepared.

   Lengths are in sixteenths. Knows the chorale encoding's steps: soprano, bass, alto, tenor, and the wait. */

import type { Engine, EngineEvent } from "../engine/model";
import type { Setting, SettingNote, Tune } from "../protocol/messages";

export interface EngineOptions {
  readonly seed: number;
  /** Null: the model's own. */
  readonly temperature: number | null;
  readonly rules: boolean;
  readonly drafts: number;
}

/** Why the engine cannot set a tune, as a sentence. */
export class CannotSet extends Error {}

interface Draft {
  readonly state: Uint8Array;
  readonly events: readonly EngineEvent[];
  readonly at: number; // where its next onset is
  readonly weight: number; // a logarithm
}

const SIXTEENTH = 120; // ticks
const HOLD = 1;
const REST = 2;
const FIRST_PITCH = 3;
const ORDER = ["soprano", "bass", "alto", "tenor"] as const;
const VOICES = ["soprano", "alto", "tenor", "bass"];
const LEAST = 1e-30;
const BAD_ENDING = 1e-3;
const FEW = 0.5; // drafts are drawn anew if fewer than this share of them carry the weight
const OCTAVE = 12;

export type TuneVoice = (typeof ORDER)[number];

/** Composes a setting. It pauses after each onset of the tune, with the share that is done. */
export function* composeSetting(engine: Engine, tune: Tune, voice: TuneVoice, options: EngineOptions): Generator<number, Setting> {
  const line = lineOf(tune);
  const header = headerFor(engine, tune);
  const bars = Math.ceil((line.end - (tune.pickup ?? 0) / SIXTEENTH) / barLength(tune));
  engine.beginWith(options.seed, header, bars);
  const moved = shiftFor(engine, line, voice);
  const symbols = new Map(line.onsets.map(([at, pitch]) => [at, pitch === null ? REST : symbolOf(engine, pitch + moved)]));
  const random = randomNumbers(options.seed);
  const temperature = options.temperature ?? engine.about.temperature;
  const start: Draft = { state: engine.snapshot(), events: [], at: 0, weight: 0 };
  let drafts = Array.from({ length: options.drafts }, () => start);
  const meetings = [...line.onsets.map(([at]) => at).filter((at) => at > 0), line.end];
  for (const meeting of meetings) {
    drafts = drafts.map((draft) => {
      engine.restore(draft.state, true); // each draft goes on with other random numbers
      return advance(engine, draft, meeting, { voice, symbols, temperature, rules: options.rules, random });
    });
    drafts = resampled(drafts, random);
    yield meeting / line.end;
  }
  const chosen = choose(drafts.map((draft) => ({ ...draft, weight: draft.weight + endingWeight(engine, draft, options.rules) })), random);
  engine.restore(chosen.state);
  return settingOf(engine, tune, voice, options, moved, [...chosen.events, ...engine.finish()]);
}

interface Rules {
  readonly voice: TuneVoice;
  readonly symbols: ReadonlyMap<number, number>;
  readonly temperature: number;
  readonly rules: boolean;
  readonly random: () => number;
}

/** Composes a draft up to an onset of the tune. */
function advance(engine: Engine, draft: Draft, until: number, rules: Rules): Draft {
  const events = [...draft.events];
  let { at, weight } = draft;
  while (at < until) {
    for (const voice of ORDER) {
      if (voice !== rules.voice) events.push(...engine.compose(rules.temperature, rules.rules));
      else {
        const symbol = rules.symbols.get(at) ?? HOLD;
        const taken = engine.take(symbol);
        if (taken === null) return { ...draft, at: until, weight: -Infinity }; // such a draft is never chosen
        weight += Math.log(Math.max(engine.probabilities()[symbol] ?? 0, LEAST));
        events.push(...taken);
      }
    }
    const { wait, probability, ended } = composeWait(engine, until - at, rules);
    weight += Math.log(Math.max(probability, LEAST));
    events.push(...ended);
    at += wait;
  }
  return { state: engine.snapshot(), events, at, weight };
}

/** A wait that is not longer than `most`, and how probable such waits were. */
function composeWait(engine: Engine, most: number, rules: Rules): { wait: number; probability: number; ended: EngineEvent[] } {
  const before = engine.snapshot();
  const first = firstWait(engine);
  const ended = engine.compose(rules.temperature, rules.rules);
  const [all, allowed] = [engine.probabilities(), engine.allowed()];
  const suiting = all.map((p, symbol) => (allowed[symbol] && symbol >= first && symbol < first + most ? p : 0));
  const probability = suiting.reduce((sum, p) => sum + p, 0);
  const drawn = engine.step[0] ?? first;
  if (suiting[drawn]) return { wait: drawn - first + 1, probability, ended };
  engine.restore(before);
  const symbol = probability > 0 ? drawFrom(suiting, rules.random) : first + most - 1;
  return { wait: symbol - first + 1, probability, ended: engine.take(symbol) ?? [] };
}

function resampled(drafts: readonly Draft[], random: () => number): Draft[] {
  const weights = normalised(drafts);
  const effective = 1 / weights.reduce((sum, weight) => sum + weight ** 2, 0);
  if (effective >= FEW * drafts.length) return [...drafts];
  const offset = random();
  let [index, sum] = [0, weights[0] ?? 0];
  return drafts.map((_, i) => {
    const place = (offset + i) / drafts.length;
    while (sum < place && index < drafts.length - 1) sum += weights[++index] ?? 0;
    return { ...at(drafts, index), weight: 0 };
  });
}

function choose(drafts: readonly Draft[], random: () => number): Draft {
  if (drafts.every((draft) => draft.weight === -Infinity)) throw new CannotSet("The engine found no setting of this tune.");
  return at(drafts, drawFrom(normalised(drafts), random));
}

function at(drafts: readonly Draft[], index: number): Draft {
  const found = drafts[index];
  if (!found) throw new RangeError(`no draft ${index}`);
  return found;
}

function normalised(drafts: readonly Draft[]): number[] {
  const most = Math.max(...drafts.map((draft) => draft.weight));
  const weights = drafts.map((draft) => (most === -Infinity ? 1 : Math.exp(draft.weight - most)));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function drawFrom(weights: readonly number[], random: () => number): number {
  let left = random() * weights.reduce((sum, weight) => sum + weight, 0);
  const found = weights.findIndex((weight) => (left -= weight) < 0);
  return found < 0 ? weights.findLastIndex((weight) => weight > 0) : found;
}

function endingWeight(engine: Engine, draft: Draft, rules: boolean): number {
  if (!rules || draft.weight === -Infinity) return 0;
  engine.restore(draft.state);
  return engine.endsWell ? 0 : Math.log(BAD_ENDING);
}

interface Line {
  /** Where a note or a rest begins, and the pitch or null. */
  readonly onsets: readonly (readonly [at: number, pitch: number | null])[];
  readonly end: number;
}

function lineOf({ notes }: Tune): Line {
  const onsets: [number, number | null][] = [];
  let until = 0;
  for (const [tick, ticks, pitch] of notes) {
    if (tick % SIXTEENTH || ticks % SIXTEENTH) throw new CannotSet("The engine knows only sixteenths.");
    if (tick > until) onsets.push([until / SIXTEENTH, null]);
    onsets.push([tick / SIXTEENTH, pitch]);
    until = tick + ticks;
  }
  return { onsets, end: until / SIXTEENTH };
}

function barLength({ meter: [numerator, denominator] }: Tune): number {
  return (16 * numerator) / denominator;
}

/** The header of the model with the meter and the pickup of the tune. */
function headerFor(engine: Engine, tune: Tune): number {
  const { headers } = engine.about;
  const meter = tune.meter.join("/");
  const found = headers.findIndex((header) => header.meter.join("/") === meter && header.pickup === (tune.pickup ?? 0));
  if (found >= 0) return found;
  const known = [...new Set(headers.map((h) => `${h.meter.join("/")}${h.pickup ? ` with a pickup of ${h.pickup / 480}` : ""}`))];
  throw new CannotSet(`Without a server, tunes are set in ${known.join(", ")}.`);
}

/** The smallest move, by octaves or else by semitones, into the range of the voice. */
function shiftFor(engine: Engine, line: Line, voice: TuneVoice): number {
  const [low, high] = rangeOf(engine, voice);
  const pitches = line.onsets.flatMap(([, pitch]) => pitch ?? []);
  const [lowest, highest] = [low - Math.min(...pitches), high - Math.max(...pitches)];
  if (lowest > highest) throw new CannotSet(`The tune spans more than the ${high - low} semitones of the ${voice}.`);
  const shifts = Array.from({ length: highest - lowest + 1 }, (_, i) => lowest + i).sort((a, b) => Math.abs(a) - Math.abs(b));
  return shifts.find((shift) => shift % OCTAVE === 0) ?? shifts[0] ?? 0;
}

/** The pitches that a voice may begin with, from the first steps of a piece. */
export function rangeOf(engine: Engine, voice: TuneVoice): readonly [low: number, high: number] {
  const before = engine.snapshot();
  for (const other of ORDER) {
    engine.compose(0, false);
    if (other === voice) break;
  }
  const pitches = engine.allowed().flatMap((isAllowed, symbol) =>
    isAllowed && symbol >= FIRST_PITCH && symbol < firstWait(engine) ? pitchOf(engine, symbol) : [],
  );
  engine.restore(before);
  return [Math.min(...pitches), Math.max(...pitches)];
}

function settingOf(
  engine: Engine, tune: Tune, voice: TuneVoice, { seed }: EngineOptions, moved: number, events: readonly EngineEvent[],
): Setting {
  const { about } = engine;
  const own = VOICES.indexOf(voice);
  const notes: SettingNote[] = tune.notes.map(([tick, ticks, pitch]) => [own, pitch + moved, tick, ticks]);
  const open = new Map<number, EngineEvent>();
  for (const event of events) {
    const begun = open.get(event.track);
    if (begun && event.track !== own) notes.push([event.track, begun.pitch, begun.tick, event.tick - begun.tick]);
    open.delete(event.track);
    if (event.velocity) open.set(event.track, event);
  }
  notes.sort((a, b) => a[2] - b[2] || a[0] - b[0]);
  const fifths = tune.fifths ?? 0;
  return {
    model: about.name, bundle: about.bundle, seed, voices: about.tracks, notes, meter: tune.meter, pickup: tune.pickup ?? 0,
    fifths: moved % OCTAVE === 0 ? fifths : ((((fifths + 7 * moved + 6) % 12) + 12) % 12) - 6, minor: tune.minor ?? false,
    tempo: tune.tempo ?? 80, moved, command: "",
    remarks: moved ? [`moved by ${Math.abs(moved)} semitones ${moved > 0 ? "up" : "down"}, into the range of the ${voice}`] : [],
  };
}

function firstWait({ about }: Engine): number {
  return about.fields[0]?.symbols.indexOf("+1") ?? 0;
}

const NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"];

function pitchOf({ about }: Engine, symbol: number): number {
  const [, name = "", octave = ""] = /^([A-G]#?)(-?\d+)$/.exec(about.fields[0]?.symbols[symbol] ?? "") ?? [];
  return NAMES.indexOf(name) + OCTAVE * (Number(octave) + 1);
}

function symbolOf(engine: Engine, pitch: number): number {
  return FIRST_PITCH + pitch - pitchOf(engine, FIRST_PITCH);
}

/** Mulberry32, for what the engine's own random numbers do not draw. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

