/* The tune while it is entered: notes and rests in a line, a cursor between two of them, and what the next one will be. All
   functions return a new tune. Lengths are in sixteenths. Knows nothing of how it is drawn or heard. */

import { inKey, keyAlter, letterOf, midiPitch, raise, spell, type KeySignature, type Pitch } from "./pitches";

export interface Note extends Pitch {
  readonly kind: "note";
  readonly length: number;
  /** Whether the next note, of the same pitch, continues it. */
  readonly tie: boolean;
  readonly fermata: boolean;
}

export interface Rest {
  readonly kind: "rest";
  readonly length: number;
}

export type Entry = Note | Rest;

export interface TuneState {
  readonly entries: readonly Entry[];
  /** So many entries are before it. The one just before it is the selected one. */
  readonly cursor: number;
  /** Of the next entry, without its dot. */
  readonly length: number;
  readonly dotted: boolean;
  readonly key: KeySignature;
  readonly meter: readonly [numerator: number, denominator: number];
  /** The length of the pickup; 0: the tune begins with a full bar. */
  readonly pickup: number;
  /** Quarter notes a minute. */
  readonly tempo: number;
  readonly title: string;
}

/** The lengths that a note can have, without a dot. */
export const LENGTHS = [16, 8, 4, 2, 1] as const;
export const MAX_ENTRIES = 600;
const SIXTEENTH = 120; // ticks
const LOWEST = 40; // MIDI pitches that can be entered
const HIGHEST = 88;
const FIRST_PITCH: Pitch = { step: 32, alter: 0 }; // G4: a letter is entered in the octave nearest to it

export const EMPTY_TUNE: TuneState = {
  entries: [], cursor: 0, length: 4, dotted: false, key: { fifths: 0, minor: false }, meter: [4, 4], pickup: 0, tempo: 80,
  title: "",
};

export function barLength({ meter: [numerator, denominator] }: Pick<TuneState, "meter">): number {
  return (16 * numerator) / denominator;
}

export function totalLength(tune: TuneState): number {
  return tune.entries.reduce((sum, entry) => sum + entry.length, 0);
}

/** The length of the next entry. */
export function nextLength({ length, dotted }: TuneState): number {
  return dotted && length > 1 ? length * 1.5 : length;
}

export function selected(tune: TuneState): Entry | undefined {
  return tune.entries[tune.cursor - 1];
}

/** Adds a note at the cursor. */
export function addNote(tune: TuneState, pitch: Pitch, length = nextLength(tune)): TuneState {
  if (!isInRange(pitch)) return tune;
  return insert(tune, { kind: "note", ...pitch, length, tie: false, fermata: false });
}

export function addRest(tune: TuneState, length = nextLength(tune)): TuneState {
  return insert(tune, { kind: "rest", length });
}

/** Adds a letter, 0 for C, in the octave that is nearest to the note before. */
export function addLetter(tune: TuneState, letter: number): TuneState {
  const { step } = noteBefore(tune) ?? FIRST_PITCH;
  const distance = ((letter - letterOf(step) + 10) % 7) - 3; // -3 to 3
  return addNote(tune, inKey(step + distance, tune.key.fifths));
}

/** Adds a note of the selected one's pitch that continues it. */
export function addTied(tune: TuneState): TuneState {
  const note = selected(tune);
  if (note?.kind !== "note") return tune;
  const entries = tune.entries.map((entry) => (entry === note ? { ...note, tie: true } : entry));
  return insert({ ...tune, entries }, { ...note, length: nextLength(tune), fermata: false });
}

export function removeBefore(tune: TuneState): TuneState {
  return tune.cursor === 0 ? tune : remove(tune, tune.cursor - 1);
}

export function removeAfter(tune: TuneState): TuneState {
  return tune.cursor >= tune.entries.length ? tune : { ...remove(tune, tune.cursor), cursor: tune.cursor };
}

export function moveCursor(tune: TuneState, to: number): TuneState {
  return { ...tune, cursor: Math.max(0, Math.min(tune.entries.length, to)) };
}

/** Raises the selected note by so many letters, or lowers it. */
export function raiseSelected(tune: TuneState, steps: number): TuneState {
  return changeNote(tune, (note) => raise(note, steps, tune.key.fifths));
}

/** Gives the selected note this pitch. */
export function setPitch(tune: TuneState, pitch: Pitch): TuneState {
  return changeNote(tune, () => pitch);
}

/** Gives the selected note an accidental, or, if it has it, the key's. */
export function setAlter(tune: TuneState, alter: number): TuneState {
  return changeNote(tune, ({ step, alter: own }) => ({ step, alter: own === alter ? keyAlter(step, tune.key.fifths) : alter }));
}

/** Chooses the length of the next entry, and of the selected one if `change`. */
export function chooseLength(tune: TuneState, length: number, change = false): TuneState {
  const chosen = { ...tune, length, dotted: length === tune.length ? tune.dotted : false };
  return change ? changeLength(chosen) : chosen;
}

export function toggleDot(tune: TuneState, change = false): TuneState {
  if (tune.length === 1) return tune; // half a sixteenth is too short
  const chosen = { ...tune, dotted: !tune.dotted };
  return change ? changeLength(chosen) : chosen;
}

export function toggleFermata(tune: TuneState): TuneState {
  const note = selected(tune);
  return note?.kind === "note" ? replaceSelected(tune, { ...note, fermata: !note.fermata }) : tune;
}

/** Chooses a key. The letters stay, and what had the old key's accidental gets the new one's. */
export function setKey(tune: TuneState, key: KeySignature): TuneState {
  const entries = tune.entries.map((entry) => {
    if (entry.kind === "rest" || entry.alter !== keyAlter(entry.step, tune.key.fifths)) return entry;
    return { ...entry, alter: keyAlter(entry.step, key.fifths) };
  });
  return { ...tune, entries, key };
}

export function setMeter(tune: TuneState, meter: TuneState["meter"]): TuneState {
  const changed = { ...tune, meter };
  return { ...changed, pickup: tune.pickup < barLength(changed) ? tune.pickup : 0 };
}

function insert(tune: TuneState, entry: Entry): TuneState {
  if (tune.entries.length >= MAX_ENTRIES) return tune;
  const entries = [...tune.entries.slice(0, tune.cursor), entry, ...tune.entries.slice(tune.cursor)];
  return { ...tune, entries: withValidTies(entries), cursor: tune.cursor + 1 };
}

function remove(tune: TuneState, index: number): TuneState {
  const entries = withValidTies(tune.entries.filter((_, i) => i !== index));
  return { ...tune, entries, cursor: Math.min(index, entries.length) };
}

function changeLength(tune: TuneState): TuneState {
  const entry = selected(tune);
  return entry ? replaceSelected(tune, { ...entry, length: nextLength(tune) }) : tune;
}

/** Changes the pitch of the selected note, and of those that are tied to it. */
function changeNote(tune: TuneState, change: (pitch: Pitch) => Pitch): TuneState {
  const note = selected(tune);
  if (note?.kind !== "note") return tune;
  const { step, alter } = change(note);
  if (!isInRange({ step, alter })) return tune;
  const [first, last] = tiedWith(tune.entries, tune.cursor - 1);
  const entries = tune.entries.map((entry, i) =>
    entry.kind === "note" && first <= i && i <= last ? { ...entry, step, alter } : entry,
  );
  return { ...tune, entries };
}

function replaceSelected(tune: TuneState, entry: Entry): TuneState {
  return { ...tune, entries: withValidTies(tune.entries.map((e, i) => (i === tune.cursor - 1 ? entry : e))) };
}

/** The first and the last of the notes that are tied to a note. */
function tiedWith(entries: readonly Entry[], index: number): [number, number] {
  let [first, last] = [index, index];
  while (isTied(entries[first - 1])) first--;
  while (isTied(entries[last])) last++;
  return [first, last];
}

function isTied(entry: Entry | undefined): boolean {
  return entry?.kind === "note" && entry.tie;
}

/** Ends the ties of notes that another pitch or a rest follows. */
function withValidTies(entries: readonly Entry[]): readonly Entry[] {
  return entries.map((entry, i) => {
    if (entry.kind === "rest" || !entry.tie) return entry;
    const next = entries[i + 1];
    const same = next?.kind === "note" && next.step === entry.step && next.alter === entry.alter;
    return same ? entry : { ...entry, tie: false };
  });
}

function noteBefore(tune: TuneState): Note | undefined {
  return tune.entries.slice(0, tune.cursor).findLast((entry) => entry.kind === "note");
}

function isInRange(pitch: Pitch): boolean {
  const midi = midiPitch(pitch);
  return LOWEST <= midi && midi <= HIGHEST;
}

// As notes in time, and from them.

/** A note in ticks, 480 to a quarter note. */
export type TimedNote = readonly [tick: number, ticks: number, pitch: number];

/** The notes in time; tied ones are one. */
export function timedNotes(entries: readonly Entry[]): TimedNote[] {
  const notes: [number, number, number][] = [];
  let [at, continues] = [0, false];
  for (const entry of entries) {
    const last = notes.at(-1);
    if (entry.kind === "note" && continues && last) last[1] += entry.length * SIXTEENTH;
    else if (entry.kind === "note") notes.push([at * SIXTEENTH, entry.length * SIXTEENTH, midiPitch(entry)]);
    continues = isTied(entry);
    at += entry.length;
  }
  return notes;
}

/** The ticks of the notes with a fermata. A tied note has it where it begins. */
export function fermataTicks(entries: readonly Entry[]): number[] {
  const ticks: number[] = [];
  let [at, begun] = [0, 0];
  for (const [i, entry] of entries.entries()) {
    if (!isTied(entries[i - 1])) begun = at;
    if (entry.kind === "note" && entry.fermata) ticks.push(begun * SIXTEENTH);
    at += entry.length;
  }
  return [...new Set(ticks)];
}

/** Notes in time as entries: each begins and ends at the nearest sixteenth. */
export function entriesOf(notes: readonly TimedNote[], fermatas: readonly number[], key: KeySignature): Entry[] {
  const entries: Entry[] = [];
  let at = 0;
  for (const [i, [tick, ticks, pitch]] of notes.entries()) {
    const onset = Math.max(at, Math.round(tick / SIXTEENTH));
    const next = notes[i + 1];
    const limit = next ? Math.max(onset + 1, Math.round(next[0] / SIXTEENTH)) : Infinity;
    const end = Math.min(limit, Math.max(onset + 1, Math.round((tick + ticks) / SIXTEENTH)));
    for (const length of writable(onset - at)) entries.push({ kind: "rest", length });
    const lengths = writable(end - onset);
    const fermata = fermatas.includes(tick);
    for (const [part, length] of lengths.entries()) {
      const isLast = part === lengths.length - 1;
      entries.push({ kind: "note", ...spell(pitch, key), length, tie: !isLast, fermata: fermata && isLast });
    }
    at = end;
  }
  return entries;
}

/** How many notes do not begin at a sixteenth, up to a tenth of a quarter note. */
export function offGrid(notes: readonly TimedNote[]): number {
  return notes.filter(([tick]) => Math.abs(tick - Math.round(tick / SIXTEENTH) * SIXTEENTH) > SIXTEENTH / 4).length;
}

/** A length as a sum of lengths that a note can have, the longest first. */
export function writable(length: number): number[] {
  const lengths: number[] = [];
  for (let rest = length; rest > 0; ) {
    const base = LENGTHS.find((l) => l <= rest) ?? 1;
    const found = base > 1 && base * 1.5 <= rest ? base * 1.5 : base;
    lengths.push(found);
    rest -= found;
  }
  return lengths;
}
