/* The score of a piece that is still being composed. A bar is notated when it comes, and keeps its result; with it the bar
   before is notated again, whose last notes may depend on what follows. A bar that is replaced is notated again with all bars
   after it. What stands in earlier bars stays: the hand, the voice and the name of a note that sounds on, and the clef.

   So a bar costs the same at the beginning of a piece and at its end, and what a reader has seen does not move. The music is
   the same as `notate` writes; where that would choose other hands, voices or clefs for knowing the end, this may differ. */

import { C_MAJOR } from "../music/spelling";
import { chordsOfBar } from "./chord-names";
import { shapesOf, voicesOf, type PartShape, type PlannedVoice, type SettledPlaces } from "./layout";
import { UNITS_PER_TICK, type Clef, type Key, type NotatedBar, type NotatedScore, type PartBar, type PlainBar, type PlainVoice } from "./model";
import { isSane, notatedBar, NO_TEMPO, partBars, placedNotes, spellSorted, tempoMarksOf, type TempoState } from "./notate";
import { factsAfter, heardKey, noFacts, traitsOf, type PieceFacts } from "./piece-facts";
import type { PlacedNote } from "./quantising";
import { SettledKey } from "./settled-key";
import { nameOf, type SettledNames, type SpelledNotes } from "./spelling";
import { writtenBar, type WrittenBar } from "./written-bars";

const EDGE = 1; // bars before a new one that are notated again
const CONTEXT = 4; // bars before those, whose notes are looked at
const LOOKAHEAD = 2; // bars after the last that is notated, if they are known

/** What one bar leaves to the next. */
interface Carried {
  readonly clefs: readonly (readonly Clef[])[];
  readonly chord: string;
  readonly tempo: TempoState;
}

/** A bar that is known. */
interface KnownBar {
  readonly bar: PlainBar;
  readonly facts: PieceFacts;
  /** Of its notes' lengths, which a bar that is replaced may change. */
  readonly checksum: number;
}

/** Where a note of a notated bar stands. */
interface SettledNote {
  readonly note: PlacedNote;
  readonly hand: 0 | 1;
  readonly voice: 0 | 1;
}

const NOTHING: Carried = { clefs: [], chord: "", tempo: NO_TEMPO };

export class GrowingScore {
  /** How many bars have been notated: each as often as it was. */
  count = 0;
  key: Key = C_MAJOR;
  private readonly known: KnownBar[] = [];
  private readonly notated: NotatedBar[] = [];
  private readonly carried: Carried[] = [];
  private readonly settled = new Map<string, SettledNote>();
  private shapes: readonly PartShape[] = [];
  private shapesName = "";

  /** @param settledNames those that notes have already; those of new notes are added. */
  constructor(
    private readonly voices: readonly PlainVoice[], private readonly settledKey = new SettledKey(),
    readonly settledNames: SettledNames = new Map(),
  ) {}

  /** What is notated. */
  get score(): NotatedScore {
    return { key: this.key, parts: this.shapes.map((shape) => shape.part), bars: this.notated };
  }

  /** The key that the music known is likeliest in. */
  get heard(): Key {
    return heardKey(this.facts);
  }

  /** Takes the bars that are known by now, and notates up to `atMost` new ones.
   *  @returns "stale" if the piece has another key or other parts than it seemed to have: `successor` must notate it anew. */
  update(bars: readonly PlainBar[], atMost = Infinity): "done" | "more" | "stale" {
    this.take(bars);
    const key = this.settledKey.hear(this.heard, bars.length);
    const shapes = shapesOf(traitsOf(this.facts, this.voices));
    const name = JSON.stringify([key.fifths, this.facts.line.isOne, shapes]);
    if (!this.notated.length) [this.key, this.shapes, this.shapesName] = [key, shapes, name];
    else if (name !== this.shapesName) return "stale";
    const from = this.notated.length;
    const until = Math.min(bars.length, from + atMost);
    if (until > from) this.notate(Math.max(0, from - EDGE), until);
    return until < bars.length ? "more" : "done";
  }

  /** A score that notates the same piece anew. */
  successor(): GrowingScore {
    const isSameKey = this.settledKey.key?.fifths === this.key.fifths;
    return new GrowingScore(this.voices, this.settledKey, isSameKey ? this.settledNames : undefined);
  }

  private get facts(): PieceFacts {
    return this.factsUntil(this.known.length);
  }

  /** What the first bars say. */
  private factsUntil(count: number): PieceFacts {
    return this.known[count - 1]?.facts ?? noFacts(this.voices);
  }

  /** Takes over the bars, and forgets what was notated from the first other one on. */
  private take(bars: readonly PlainBar[]): void {
    const different = this.known.findIndex(({ bar, checksum }, i) => bar !== bars[i] || checksum !== checksumOf(bar));
    const kept = different < 0 ? this.known.length : different;
    this.known.length = kept;
    this.notated.length = Math.min(this.notated.length, kept);
    for (const bar of bars.slice(kept)) {
      this.known.push({ bar, facts: factsAfter(this.facts, bar, this.voices), checksum: checksumOf(bar) });
    }
  }

  /** Notates the bars from one to before another. */
  private notate(from: number, until: number): void {
    const first = Math.max(0, from - CONTEXT);
    const bars = this.known.slice(0, until + LOOKAHEAD).map(({ bar }) => bar);
    const written = bars.slice(first).map((bar, i) => writtenBar(bars, bar, first + i));
    const begin = (written[from - first]?.begin ?? 0) * UNITS_PER_TICK;
    const end = (written[until - first]?.begin ?? Infinity) * UNITS_PER_TICK;
    const window = this.notesFrom(first, bars, written, begin);
    const sorted = window.filter((_, voice) => !this.voices[voice]?.drums).flat();
    sorted.sort((a, b) => a.begin - b.begin || a.pitch - b.pitch);
    const names = spellSorted(sorted, this.key, this.settledNames, end);
    let state = this.carried[from - 1] ?? NOTHING;
    const columns = this.columns(window, written, [from - first, until - first], names, state.clefs);
    for (let at = from; at < until; at++) {
      const own = written[at - first];
      if (!own) continue;
      const chords = this.facts.line.isOne ? [] : chordsOfBar(own, sorted, this.key, names, state.chord);
      const { marks, after } = tempoMarksOf(bars.slice(first), written, at - first, state.tempo);
      const parts = columns.map((column) => column[at - from] ?? { voices: [], clefs: [], newClefs: [] });
      const before = at > first ? written[at - first - 1] : undefined;
      this.put(at, notatedBar(own, before, {
        key: this.key, parts, chords, tempos: marks, last: bars[at]?.last ?? at === this.known.length - 1,
      }));
      state = { clefs: parts.map((part) => part.clefs), chord: chords.at(-1)?.text ?? state.chord, tempo: after };
      this.carried[at] = state;
    }
    this.count += until - from;
  }

  /** A bar that is the same as before remains the same object, and need not be drawn again. */
  private put(at: number, bar: NotatedBar): void {
    const old = this.notated[at];
    if (!old || JSON.stringify(old) !== JSON.stringify(bar)) this.notated[at] = bar;
  }

  /** The notes of each voice that begin or sound in the bars from `first` on. Those before `begin` stay as they are. */
  private notesFrom(first: number, bars: readonly PlainBar[], written: readonly WrittenBar[], begin: number): PlacedNote[][] {
    const notes = [...this.factsUntil(first).held, ...bars.slice(first).flatMap((bar) => bar.notes).filter(isSane)];
    return placedNotes(notes, this.voices, written.map((bar) => bar.begin)).map((own) => own.map((note) => {
      // It must not come to sound into the next bar, nor cease to: the tie is written.
      const before = note.begin < begin ? this.settled.get(nameOf(note))?.note : undefined;
      return before && before.end > begin !== note.end > begin ? before : note;
    }));
  }

  /** What each part has in the bars of a window from one to before another. */
  private columns(
    window: readonly PlacedNote[][], written: readonly WrittenBar[], [from, until]: readonly [number, number],
    names: SpelledNotes, clefs: readonly (readonly Clef[])[],
  ): PartBar[][] {
    const begin = (written[from]?.begin ?? 0) * UNITS_PER_TICK;
    const end = (written[until]?.begin ?? Infinity) * UNITS_PER_TICK;
    const settled = (note: PlacedNote): SettledNote | undefined => (note.begin < begin ? this.settled.get(nameOf(note)) : undefined);
    const places: SettledPlaces = { handOf: (note) => settled(note)?.hand, voiceOf: (note) => settled(note)?.voice };
    return this.shapes.map((shape, p) => {
      const voices = voicesOf(shape, window, places);
      this.settle(voices, end);
      return partBars({ voices, clefs: shape.clefs }, written, names, this.key, from, until, clefs[p]);
    });
  }

  private settle(voices: readonly PlannedVoice[], end: number): void {
    for (const { staff, number, notes } of voices) {
      const place = { hand: staff === 2 ? 1 : 0, voice: number % 4 === 2 ? 1 : 0 } as const;
      for (const note of notes) if (note.begin < end) this.settled.set(nameOf(note), { note, ...place });
    }
  }
}

/** Differs if the length of a note does. */
function checksumOf(bar: PlainBar): number {
  return bar.notes.reduce((sum, note, i) => sum + (i + 1) * note.ticks, 0);
}
