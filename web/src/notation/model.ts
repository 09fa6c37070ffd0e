/* What stands on the page, as plain data: bars, voices on staves, written values, spelled heads. The same model as Python's
   music/notation/model.py, with what an engraving bar by bar needs besides.

   Places and lengths of symbols are in UNITS to a quarter note, so that 32nds, triplets, quintuplets and septuplets are whole
   numbers. Knows nothing of streams, files or drawing. */

import type { Key, SpelledPitch, Step } from "../music/spelling";

export type { Key, SpelledPitch, Step };

export const TICKS_PER_QUARTER = 480;
/** To a quarter note: 2^9 * 3^2 * 5 * 7. */
export const UNITS = 161_280;
export const UNITS_PER_TICK = UNITS / TICKS_PER_QUARTER;

/** The note values, by MusicXML's names, from the longest. */
export const VALUE_NAMES = ["breve", "whole", "half", "quarter", "eighth", "16th", "32nd", "64th", "128th"] as const;
export type Value = (typeof VALUE_NAMES)[number];

/** The length of each value in units. */
export const VALUES = Object.fromEntries(VALUE_NAMES.map((name, i) => [name, (8 * UNITS) / 2 ** i])) as Record<Value, number>;

/** The pitch class of each letter. */
export const NATURALS: Readonly<Record<Step, number>> = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 };

// ------------------------------------------------------------------------------------------------ what is notated

/** A note as it sounds. The stream's notes are such notes. */
export interface PlainNote {
  /** Index into the voices. */
  readonly voice: number;
  readonly pitch: number;
  readonly tick: number;
  readonly ticks: number;
  readonly velocity?: number;
}

/** A bar with the notes that begin in it. The timeline's bars are such bars. */
export interface PlainBar {
  readonly tick: number;
  readonly ticks: number;
  readonly meter: readonly [numerator: number, denominator: number];
  readonly notes: readonly PlainNote[];
  /** 0 for a pickup; default: counted. */
  readonly bar?: number;
  /** In force from a tick on, in quarters a minute. */
  readonly tempos?: readonly (readonly [tick: number, time: number, qpm: number])[];
  /** Whether the piece ends with it; default: the last one. */
  readonly last?: boolean;
}

/** A voice or track. The protocol's voices are such voices. */
export interface PlainVoice {
  readonly name: string;
  readonly program: number;
  readonly drums: boolean;
}

// ------------------------------------------------------------------------------------------------------ the page

/** One note of a chord. */
export interface Head {
  readonly spelled: SpelledPitch;
  readonly velocity: number;
  /** To the chord before, and to the one after. */
  readonly tiedFrom: boolean;
  readonly tiedTo: boolean;
  /** Whether the bar needs a sharp, flat or natural sign before it. */
  readonly accidental: boolean;
  /** For drums: the percussion key. `spelled` is then a place on the staff. */
  readonly drum: number | null;
  /** The plain voice that sounds. */
  readonly voice: number;
}

/** A group of `actual` values in the time of `normal`. */
export interface Tuplet {
  readonly actual: number;
  readonly normal: number;
  /** The value that is counted. */
  readonly unit: Value;
  readonly begins: boolean;
  readonly ends: boolean;
}

export type Beam = "begin" | "continue" | "end" | "forward hook" | "backward hook";

/** A chord, a note or a rest. */
export interface WrittenSymbol {
  /** From the beginning of its bar, in units. */
  readonly onset: number;
  readonly length: number;
  readonly value: Value;
  readonly dots: number;
  /** From low to high; none for a rest. */
  readonly heads: readonly Head[];
  readonly tuplet: Tuplet | null;
  /** For each beam, the eighths' first. */
  readonly beams: readonly Beam[];
  /** A rest of the whole bar. */
  readonly wholeBar: boolean;
  /** A gap of a voice that needs no rest. */
  readonly hidden: boolean;
}

export type Stem = "up" | "down" | "";

/** A voice in one bar. */
export interface BarVoice {
  /** Within its part, from 1; staff 2 begins with 5. */
  readonly number: number;
  /** 1 or 2. */
  readonly staff: number;
  readonly symbols: readonly WrittenSymbol[];
  /** "": it follows from the pitches. */
  readonly stem: Stem;
  /** Index into the part's instruments. */
  readonly instrument: number;
}

export interface Clef {
  readonly sign: "G" | "F" | "C" | "percussion";
  readonly line: number;
  /** -1: sounds an octave lower than written. */
  readonly octave: number;
}

/** What one part has in one bar. */
export interface PartBar {
  readonly voices: readonly BarVoice[];
  /** Of each staff, in force in this bar. */
  readonly clefs: readonly Clef[];
  /** Whether each staff's clef differs from the bar before. */
  readonly newClefs: readonly boolean[];
}

/** The name of what sounds from a place of a bar on. */
export interface ChordName {
  /** From the beginning of the bar, in units. */
  readonly onset: number;
  readonly root: Pick<SpelledPitch, "step" | "alter">;
  /** MusicXML's name of the kind: major, minor, dominant, … */
  readonly kind: ChordKind;
  readonly bass: Pick<SpelledPitch, "step" | "alter"> | null;
  /** As it is shown: G, D7/F♯, Am. */
  readonly text: string;
}

export type ChordKind =
  | "major" | "minor" | "diminished" | "augmented" | "dominant" | "major-seventh" | "minor-seventh" | "half-diminished"
  | "diminished-seventh" | "suspended-fourth";

export interface TempoMark {
  readonly onset: number;
  /** Quarters a minute. */
  readonly qpm: number;
  /** Whether it stands above the staff. */
  readonly shown: boolean;
}

/** A bar of all parts. */
export interface NotatedBar {
  /** 1 is the first full one; 0 a pickup. */
  readonly number: number;
  /** Where it begins, and its length as it is written, in ticks. */
  readonly tick: number;
  readonly ticks: number;
  /** Where its beats begin, in units from its beginning. */
  readonly beats: readonly number[];
  /** The length of the beat that a metronome counts, in units. */
  readonly beat: number;
  readonly meter: readonly [numerator: number, denominator: number];
  readonly key: Key;
  /** Whether meter and key differ from the bar before. */
  readonly newMeter: boolean;
  readonly newKey: boolean;
  readonly parts: readonly PartBar[];
  readonly chords: readonly ChordName[];
  readonly tempos: readonly TempoMark[];
  /** Whether the piece ends with it. */
  readonly last: boolean;
}

export interface Instrument {
  readonly name: string;
  /** General MIDI, 0 to 127. */
  readonly program: number;
  /** The percussion key of a drum. */
  readonly drum: number | null;
}

/** A part of the page: one staff, or two of a keyboard. */
export interface Part {
  readonly name: string;
  readonly instruments: readonly Instrument[];
  readonly staves: 1 | 2;
  readonly isDrums: boolean;
  /** Whether it is one of the two staves of a choir. */
  readonly isChoir: boolean;
}

/** A piece as it is written, or as much of it as is known. */
export interface NotatedScore {
  /** At its beginning. */
  readonly key: Key;
  readonly parts: readonly Part[];
  readonly bars: readonly NotatedBar[];
}
