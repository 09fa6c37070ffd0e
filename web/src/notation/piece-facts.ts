/* What the bars of a piece say about it as a whole: how long each pitch class sounds, and what decides the parts of its page.
   The facts after a bar follow from those before it, so a bar that comes costs one bar. Knows plain notes. */

import { keyOfWeights } from "../music/spelling";
import { ledgersInBass, isChoirByName, type TrackTraits } from "./layout";
import type { Key, PlainBar, PlainNote, PlainVoice } from "./model";
import { isSane, trackName } from "./notate";

interface VoiceFacts {
  readonly count: number;
  readonly pitches: number;
  readonly low: number;
  readonly high: number;
  readonly ledgersInBass: number;
  readonly line: Line;
}

/** Whether notes sound one at a time, and when the last of them ends. */
interface Line {
  readonly isOne: boolean;
  readonly end: number;
}

export interface PieceFacts {
  readonly weights: readonly number[];
  readonly voices: readonly VoiceFacts[];
  /** Of all voices but drums. */
  readonly line: Line;
  /** The notes that sound on after the last bar. */
  readonly held: readonly PlainNote[];
}

const NO_LINE: Line = { isOne: true, end: -Infinity };
const NO_NOTES: VoiceFacts = { count: 0, pitches: 0, low: Infinity, high: -Infinity, ledgersInBass: 0, line: NO_LINE };

export function noFacts(voices: readonly PlainVoice[]): PieceFacts {
  return { weights: new Array<number>(12).fill(0), voices: voices.map(() => NO_NOTES), line: NO_LINE, held: [] };
}

export function factsAfter(before: PieceFacts, bar: PlainBar, voices: readonly PlainVoice[]): PieceFacts {
  const notes = bar.notes.filter(isSane).sort((a, b) => a.tick - b.tick || a.pitch - b.pitch);
  const pitched = notes.filter((note) => !voices[note.voice]?.drums);
  const weights = [...before.weights];
  for (const { pitch, ticks } of pitched) weights[pitch % 12] = (weights[pitch % 12] ?? 0) + ticks;
  return {
    weights,
    voices: before.voices.map((facts, voice) => voiceFacts(facts, notes.filter((note) => note.voice === voice))),
    line: continued(before.line, pitched),
    held: [...before.held, ...notes].filter((note) => note.tick + note.ticks > bar.tick + bar.ticks),
  };
}

function voiceFacts(before: VoiceFacts, notes: readonly PlainNote[]): VoiceFacts {
  if (!notes.length) return before;
  const pitches = notes.map((note) => note.pitch);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return {
    count: before.count + notes.length,
    pitches: before.pitches + sum(pitches),
    low: Math.min(before.low, ...pitches),
    high: Math.max(before.high, ...pitches),
    ledgersInBass: before.ledgersInBass + sum(pitches.map(ledgersInBass)),
    line: continued(before.line, notes),
  };
}

function continued(line: Line, notes: readonly PlainNote[]): Line {
  let { isOne, end } = line;
  for (const { tick, ticks } of notes) {
    isOne &&= tick >= end;
    end = tick + ticks;
  }
  return { isOne, end };
}

/** The key that the notes so far are likeliest in. */
export function heardKey(facts: PieceFacts): Key {
  return keyOfWeights(facts.weights);
}

/** What decides about the part of each voice; null for voices without notes, which have none. */
export function traitsOf(facts: PieceFacts, voices: readonly PlainVoice[]): (TrackTraits | null)[] {
  const isNamedChoir = isChoirByName(voices.map((voice) => voice.name));
  return voices.map((voice, number): TrackTraits | null => {
    const own = facts.voices[number] ?? NO_NOTES;
    if (!own.count && !isNamedChoir) return null;
    return {
      name: trackName(voice, number), program: voice.program, isDrums: voice.drums, isLine: own.line.isOne, low: own.low,
      high: own.high, meanPitch: own.pitches / own.count, isLow: own.ledgersInBass < 0, keys: [], hasHands: () => true,
    };
  });
}
