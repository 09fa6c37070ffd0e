/* The tune as messages have it, and as it is entered. */

import type { Setting, Tune } from "../protocol/messages";
import { EMPTY_TUNE, entriesOf, fermataTicks, timedNotes, type TuneState } from "./entry";
import { CHOIR, type Music } from "./music";

const SIXTEENTH = 120; // ticks

export function messageOf(tune: TuneState): Tune {
  return {
    notes: timedNotes(tune.entries),
    meter: tune.meter,
    pickup: tune.pickup * SIXTEENTH,
    fifths: tune.key.fifths,
    minor: tune.key.minor,
    tempo: tune.tempo,
    fermatas: fermataTicks(tune.entries),
    title: tune.title,
  };
}

/** A tune from a file, with the cursor at its end. */
export function stateOf(tune: Tune, before: TuneState = EMPTY_TUNE): TuneState {
  const key = { fifths: tune.fifths ?? 0, minor: tune.minor ?? false };
  const entries = entriesOf(tune.notes, tune.fermatas ?? [], key);
  return {
    ...before, entries, cursor: entries.length, key, meter: tune.meter, pickup: Math.round((tune.pickup ?? 0) / SIXTEENTH),
    tempo: tune.tempo ?? before.tempo, title: tune.title ?? "",
  };
}

/** The tune alone, to be played. */
export function musicOfTune(tune: TuneState): Music {
  return {
    voices: [{ name: "Tune", program: CHOIR, drums: false }],
    notes: timedNotes(tune.entries).map(([tick, ticks, pitch]) => [0, pitch, tick, ticks] as const),
    meter: tune.meter,
    pickup: tune.pickup * SIXTEENTH,
    tempo: tune.tempo,
  };
}

export function musicOfSetting(setting: Setting): Music {
  const { voices, notes, meter, pickup, tempo } = setting;
  return { voices, notes, meter, pickup, tempo };
}

/** The entry that sounds at a tick; -1: none. */
export function entryAtTick(tune: TuneState, tick: number): number {
  let at = 0;
  for (const [index, entry] of tune.entries.entries()) {
    at += entry.length * SIXTEENTH;
    if (tick < at) return index;
  }
  return -1;
}
