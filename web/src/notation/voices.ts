/* Divides the notes of one staff into voices, and a voice into what sounds between its onsets and ends. As in Python's
   music/notation/voices.py: notes that begin and end together are a chord; where others sound across them, the staff has two
   voices, of which the first has the higher notes. What does not fit into two voices is tied.

   Knows times and pitches, no meters. */

import type { PlacedNote } from "./quantising";
import { sortedUnique } from "./rhythm";

const SAME_VOICE_COST = 4; // of two chords of one voice that overlap without being one
const CROSSED_COST = 3; // of a lower chord in the upper voice
const ALONE_COST = 0.5; // of a chord in the second voice where nothing else sounds
const PASSES = 6;

/** Notes of one staff that begin and end together. */
interface Chord {
  readonly notes: readonly PlacedNote[];
  readonly begin: number;
  readonly end: number;
  readonly pitch: number;
  readonly over: Chord[];
  voice: 0 | 1;
}

/** The notes of the upper and of the lower voice; the lower one has none where one voice is enough.
 *  @param settled the voice of notes that have theirs already. */
export function divideVoices(
  notes: readonly PlacedNote[], settled: (note: PlacedNote) => 0 | 1 | undefined = () => undefined,
): [PlacedNote[], PlacedNote[]] {
  const groups = new Map<string, PlacedNote[]>();
  for (const note of [...notes].sort((a, b) => a.begin - b.begin || a.end - b.end || a.pitch - b.pitch)) {
    const name = `${note.begin}-${note.end}`;
    const group = groups.get(name);
    if (group) group.push(note);
    else groups.set(name, [note]);
  }
  const chords = [...groups.values()].map(chordOf);
  findOverlaps(chords);
  const isSettled = new Set<Chord>();
  for (const chord of chords) {
    const known = chord.notes.map(settled).find((voice) => voice !== undefined);
    if (known !== undefined) {
      chord.voice = known;
      isSettled.add(chord);
      continue;
    }
    const higher = chord.over.filter((other) => chord.pitch > other.pitch).length;
    chord.voice = 2 * higher < chord.over.length ? 1 : 0;
  }
  for (let pass = 0; pass < PASSES; pass++) {
    let changed = false;
    for (const chord of chords) {
      const other = chord.voice ? 0 : 1;
      if (!chord.over.length || isSettled.has(chord) || costOf(chord, other) >= costOf(chord, chord.voice)) continue;
      chord.voice = other;
      changed = true;
    }
    if (!changed) break;
  }
  const ofVoice = (voice: number): PlacedNote[] => chords.filter((c) => c.voice === voice).flatMap((c) => c.notes);
  return [ofVoice(0), ofVoice(1)];
}

function chordOf(notes: readonly PlacedNote[]): Chord {
  const pitch = notes.reduce((sum, note) => sum + note.pitch, 0) / notes.length;
  return { notes, begin: notes[0]?.begin ?? 0, end: notes[0]?.end ?? 0, pitch, over: [], voice: 0 };
}

function findOverlaps(chords: readonly Chord[]): void {
  let sounding: Chord[] = [];
  for (const chord of chords) {
    sounding = sounding.filter((other) => other.end > chord.begin);
    for (const other of sounding) {
      chord.over.push(other);
      other.over.push(chord);
    }
    sounding.push(chord);
  }
}

function costOf(chord: Chord, voice: 0 | 1): number {
  let cost = chord.over.some((other) => other.voice !== voice) ? 0 : ALONE_COST * voice;
  for (const other of chord.over) {
    if (other.voice === voice) cost += SAME_VOICE_COST;
    else if ((chord.pitch - other.pitch) * (voice === 0 ? 1 : -1) < 0) cost += CROSSED_COST;
  }
  return cost;
}

export interface Slice {
  readonly begin: number;
  readonly end: number;
  /** From low to high; none where nothing sounds. */
  readonly notes: readonly PlacedNote[];
}

/** What a voice sounds from one of its onsets or ends to the next, without gaps. */
export function slices(notes: readonly PlacedNote[], begin: number, end: number): Slice[] {
  const own = notes.filter((n) => n.begin < end && n.end > begin);
  const inside = own.flatMap((n) => [n.begin, n.end]).filter((place) => begin < place && place < end);
  const edges = sortedUnique([begin, end, ...inside]);
  const found: Slice[] = [];
  for (let i = 0; i + 1 < edges.length; i++) {
    const [low, high] = [edges[i] ?? 0, edges[i + 1] ?? 0];
    const sounding = own.filter((n) => n.begin <= low && n.end >= high).sort((a, b) => a.pitch - b.pitch);
    const last = found.at(-1);
    if (!sounding.length && last && !last.notes.length) found[found.length - 1] = { ...last, end: high };
    else found.push({ begin: low, end: high, notes: sounding });
  }
  return found;
}
