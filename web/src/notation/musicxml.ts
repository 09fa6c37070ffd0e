/* Writes a score as a MusicXML 4.0 document, with the names of its chords. The order of the elements is that of the standard's
   schema (https://www.w3.org/2021/06/musicxml40/); the same document as Python's rendering/musicxml.py writes of the same music.
   Knows scores, not how they are made. */

import { CROSS_HEADS } from "./layout";
import {
  UNITS, VALUES, type BarVoice, type Beam, type ChordName, type Clef, type Head, type NotatedBar, type NotatedScore, type Part,
  type PartBar, type TempoMark, type Tuplet, type WrittenSymbol,
} from "./model";
import { valueOf } from "./rhythm";

export interface Heading {
  /** Above the music. */
  readonly title?: string;
  /** At the foot of the first page: how the piece was made. */
  readonly foot?: string;
  /** How to make the piece again, as JSON; it is kept in the file and not shown. */
  readonly comment?: string;
}

const DOCTYPE =
  '<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 4.0 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">';
const SOFTWARE = "playbach";
const FORTE = 90; // the velocity that dynamics in per cent refer to, by the standard
const PLAIN_VELOCITY = 80;
const DRUM_CHANNEL = 10;
const ACCIDENTALS: Readonly<Record<number, string>> = {
  [-2]: "flat-flat", [-1]: "flat", 0: "natural", 1: "sharp", 2: "double-sharp",
};
const [TENTHS_PER_STAFF, STAFF_MM] = [40, 7];
const [PAGE_WIDTH_MM, PAGE_HEIGHT_MM, MARGIN_MM] = [210, 297, 15];

/** An element with its attributes and content. */
type Child = Element | null | readonly Element[];
interface Element {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly content: string | readonly Element[];
}

export function musicXml(score: NotatedScore, heading: Heading = {}): string {
  const root = node("score-partwise", [
    heading.title ? node("work", [text("work-title", heading.title)]) : null,
    identification(heading),
    defaults(),
    credits(heading),
    partList(score.parts),
    score.parts.map((part, number) => partElement(score, part, number)),
  ], { version: "4.0" });
  return `<?xml version="1.0" encoding="UTF-8" standalone="no"?>\n${DOCTYPE}\n${serialise(root, "")}\n`;
}

function node(name: string, children: readonly Child[] = [], attributes: Record<string, string> = {}): Element {
  return { name, attributes, content: children.flatMap((child) => child ?? []) };
}

function text(name: string, content: string | number, attributes: Record<string, string> = {}): Element {
  return { name, attributes, content: String(content) };
}

function serialise({ name, attributes, content }: Element, indent: string): string {
  const given = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(value).replaceAll('"', "&quot;")}"`);
  const open = `${indent}<${name}${given.join("")}`;
  if (typeof content === "string") return `${open}>${escaped(content)}</${name}>`;
  if (!content.length) return `${open} />`;
  return `${open}>\n${content.map((child) => serialise(child, `${indent} `)).join("\n")}\n${indent}</${name}>`;
}

/** Without what XML cannot hold. */
function escaped(value: string): string {
  const clean = value.replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "");
  return clean.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

// ------------------------------------------------------------------------------------------------------------ head

function identification({ foot, comment }: Heading): Element {
  return node("identification", [
    foot ? text("rights", foot) : null,
    node("encoding", [text("software", SOFTWARE)]),
    comment ? node("miscellaneous", [text("miscellaneous-field", comment, { name: "playbach" })]) : null,
  ]);
}

function tenths(millimetres: number): string {
  return ((millimetres * TENTHS_PER_STAFF) / STAFF_MM).toFixed(0);
}

function defaults(): Element {
  return node("defaults", [
    node("scaling", [text("millimeters", STAFF_MM), text("tenths", TENTHS_PER_STAFF)]),
    node("page-layout", [
      text("page-height", tenths(PAGE_HEIGHT_MM)),
      text("page-width", tenths(PAGE_WIDTH_MM)),
      node("page-margins", ["left", "right", "top", "bottom"].map((side) => text(`${side}-margin`, tenths(MARGIN_MM))), {
        type: "both",
      }),
    ]),
  ]);
}

function credits({ title, foot }: Heading): Element[] {
  const credit = (kind: string, words: string, y: number, valign: string, size: string): Element =>
    node("credit", [
      text("credit-type", kind),
      text("credit-words", words, {
        "default-x": tenths(PAGE_WIDTH_MM / 2), "default-y": tenths(y), justify: "center", valign, "font-size": size,
      }),
    ], { page: "1" });
  return [
    ...(title ? [credit("title", title, PAGE_HEIGHT_MM - MARGIN_MM, "top", "20")] : []),
    ...(foot ? [credit("rights", foot, MARGIN_MM, "bottom", "8")] : []),
  ];
}

function partId(number: number): string {
  return `P${number + 1}`;
}

function instrumentId(part: number, instrument: number): string {
  return `${partId(part)}-I${instrument + 1}`;
}

function partList(parts: readonly Part[]): Element {
  const [first, last] = [parts.findIndex((part) => part.isChoir), parts.findLastIndex((part) => part.isChoir)];
  const group = [text("group-symbol", "bracket"), text("group-barline", "yes")];
  return node("part-list", parts.flatMap((part, number) => [
    ...(number === first ? [node("part-group", group, { type: "start", number: "1" })] : []),
    node("score-part", [
      text("part-name", part.name),
      part.instruments.map(({ name }, i) =>
        node("score-instrument", [text("instrument-name", name)], { id: instrumentId(number, i) })),
      part.instruments.map(({ program, drum }, i) =>
        node("midi-instrument", [
          part.isDrums ? text("midi-channel", DRUM_CHANNEL) : null,
          text("midi-program", program + 1),
          drum === null ? null : text("midi-unpitched", drum + 1),
        ], { id: instrumentId(number, i) })),
    ], { id: partId(number) }),
    ...(number === last ? [node("part-group", [], { type: "stop", number: "1" })] : []),
  ]));
}

// ------------------------------------------------------------------------------------------------------------ bars

function partElement(score: NotatedScore, part: Part, number: number): Element {
  const divisions = divisionsOf(score);
  const bars = score.bars.map((bar, at) => new BarWriter(score, part, number, at, bar, divisions).element());
  return node("part", bars, { id: partId(number) });
}

/** The divisions of a quarter, as few as all places need. */
function divisionsOf({ bars }: NotatedScore): number {
  let found = UNITS;
  const include = (place: number): void => {
    let [a, b] = [found, Math.round(place)];
    while (b) [a, b] = [b, a % b];
    found = a;
  };
  for (const bar of bars) {
    include(unitsOf(bar));
    for (const { onset } of [...bar.tempos, ...bar.chords]) include(onset);
    for (const { onset, length } of bar.parts.flatMap((part) => part.voices).flatMap((voice) => voice.symbols)) {
      include(onset);
      include(length);
    }
  }
  return UNITS / found;
}

function unitsOf(bar: NotatedBar): number {
  return (bar.ticks * UNITS) / 480;
}

/** Writes one bar of one part. */
class BarWriter {
  private readonly content: PartBar;
  private readonly nextClefs: readonly (Clef | null)[] | null;
  private readonly elements: Element[] = [];

  constructor(
    score: NotatedScore,
    private readonly part: Part,
    private readonly number: number,
    private readonly at: number,
    private readonly bar: NotatedBar,
    private readonly divisions: number,
  ) {
    this.content = bar.parts[number] ?? { voices: [], clefs: [], newClefs: [] };
    const next = score.bars[at + 1]?.parts[number];
    this.nextClefs = next ? next.clefs.map((clef, i) => (next.newClefs[i] ? clef : null)) : null;
  }

  /** The bar. The clefs of the next one are written at its end, where they stand. */
  element(): Element {
    const { bar, content, nextClefs } = this;
    this.attributes();
    const marks = this.number === 0 ? this.marks() : [];
    const closed = new Set<number>();
    for (const [i, voice] of content.voices.entries()) {
      if (i) this.elements.push(this.move("backup", unitsOf(bar)));
      this.voice(voice, i === 0 ? marks : []);
      // Verovio takes a clef from the end of a voice that has no gap there, and misplaces it elsewhere.
      const clef = voice.symbols.at(-1)?.hidden === false ? nextClefs?.[voice.staff - 1] : null;
      if (!clef || closed.has(voice.staff)) continue;
      this.elements.push(node("attributes", [this.clef(voice.staff, clef)]));
      closed.add(voice.staff);
    }
    if (!nextClefs) this.elements.push(node("barline", [text("bar-style", "light-heavy")], { location: "right" }));
    const attributes = { number: String(bar.number), ...(bar.number === 0 && { implicit: "yes" }) };
    return node("measure", this.elements, attributes);
  }

  /** What stands above the music, in order. */
  private marks(): { onset: number; write: (offset: number) => Element }[] {
    const { bar } = this;
    const marks = [
      ...bar.tempos.map((mark) => ({ onset: mark.onset, write: (offset: number) => this.tempo(mark, offset) })),
      ...bar.chords.map((chord) => ({ onset: chord.onset, write: (offset: number) => this.harmony(chord, offset) })),
    ];
    return marks.sort((a, b) => a.onset - b.onset);
  }

  private duration(units: number): number {
    return Math.round((units * this.divisions) / UNITS);
  }

  private move(name: string, units: number, ...more: Element[]): Element {
    return node(name, [text("duration", this.duration(units)), ...more]);
  }

  private attributes(): void {
    const { bar, part, content } = this;
    const isFirst = this.at === 0;
    const attributes = [
      isFirst ? text("divisions", this.divisions) : null,
      bar.newKey
        ? node("key", [text("fifths", part.isDrums ? 0 : bar.key.fifths), text("mode", bar.key.minor ? "minor" : "major")])
        : null,
      bar.newMeter ? node("time", [text("beats", bar.meter[0]), text("beat-type", bar.meter[1])]) : null,
      isFirst && part.staves > 1 ? text("staves", part.staves) : null,
      isFirst ? content.clefs.map((clef, staff) => this.clef(staff + 1, clef)) : [],
    ];
    if (attributes.some((child) => child !== null && !(Array.isArray(child) && !child.length))) {
      this.elements.push(node("attributes", attributes));
    }
  }

  private clef(staff: number, { sign, line, octave }: Clef): Element {
    return node("clef", [
      text("sign", sign),
      sign === "percussion" ? null : text("line", line),
      octave ? text("clef-octave-change", octave) : null,
    ], this.part.staves > 1 ? { number: String(staff) } : {});
  }

  private voice(voice: BarVoice, marks: { onset: number; write: (offset: number) => Element }[]): void {
    for (const symbol of voice.symbols) {
      for (let mark = marks[0]; mark && mark.onset < symbol.onset + symbol.length; mark = marks[0]) {
        marks.shift();
        this.elements.push(mark.write(this.duration(mark.onset - symbol.onset)));
      }
      if (symbol.hidden) {
        const staff = this.part.staves > 1 ? [text("staff", voice.staff)] : [];
        this.elements.push(this.move("forward", symbol.length, text("voice", voice.number), ...staff));
      } else if (!symbol.heads.length) {
        this.elements.push(this.note(voice, symbol, null, false));
      } else {
        for (const [i, head] of symbol.heads.entries()) this.elements.push(this.note(voice, symbol, head, i > 0));
      }
    }
  }

  private tempo(mark: TempoMark, offset: number): Element {
    const tempo = tempoText(mark.qpm);
    if (!mark.shown) return node("sound", [offset ? text("offset", offset) : null], { tempo });
    const { value, dots } = valueOf(this.bar.beat) ?? { value: "quarter", dots: 0 };
    const beat = VALUES[value] * (2 - 1 / 2 ** dots);
    return node("direction", [
      node("direction-type", [node("metronome", [
        text("beat-unit", value),
        Array.from({ length: dots }, () => node("beat-unit-dot")),
        text("per-minute", ((mark.qpm * UNITS) / beat).toFixed(0)),
      ])]),
      offset ? text("offset", offset, { sound: "yes" }) : null,
      this.part.staves > 1 ? text("staff", 1) : null,
      node("sound", [], { tempo }),
    ], { placement: "above" });
  }

  private harmony({ root, kind, bass, text: shown }: ChordName, offset: number): Element {
    const named = (name: string, pitch: ChordName["root"]): Element =>
      node(name, [text(`${name}-step`, pitch.step), pitch.alter ? text(`${name}-alter`, pitch.alter) : null]);
    const suffix = shown.split("/")[0]?.replace(/^[A-G][♯♭]*/u, "") ?? "";
    return node("harmony", [
      named("root", root),
      text("kind", kind, { text: suffix }),
      bass ? named("bass", bass) : null,
      offset ? text("offset", offset) : null,
      this.part.staves > 1 ? text("staff", 1) : null,
    ], { placement: "above" });
  }

  private note(voice: BarVoice, symbol: WrittenSymbol, head: Head | null, isChord: boolean): Element {
    const { part } = this;
    const several = part.instruments.length > 1;
    const children: Child[] = [
      isChord ? node("chord") : null,
      head ? pitchOf(head) : node("rest", [], symbol.wholeBar ? { measure: "yes" } : {}),
      text("duration", this.duration(symbol.length)),
      tiesOf(head).map((type) => node("tie", [], { type })),
      head && several ? node("instrument", [], { id: instrumentId(this.number, this.instrument(voice, head)) }) : null,
      text("voice", voice.number),
      symbol.wholeBar ? null : text("type", symbol.value),
      Array.from({ length: symbol.dots }, () => node("dot")),
      head?.accidental ? text("accidental", ACCIDENTALS[head.spelled.alter] ?? "natural") : null,
      symbol.tuplet ? timeModification(symbol.tuplet) : null,
      voice.stem && head && VALUES[symbol.value] < VALUES.whole ? text("stem", voice.stem) : null,
      head?.drum != null && CROSS_HEADS.has(head.drum) ? text("notehead", "x") : null,
      part.staves > 1 ? text("staff", voice.staff) : null,
      isChord ? [] : symbol.beams.map((beam: Beam, i) => text("beam", beam, { number: String(i + 1) })),
      notations(symbol, head, isChord),
    ];
    const isLoud = head !== null && head.velocity !== PLAIN_VELOCITY;
    return node("note", children, isLoud ? { dynamics: ((100 * head.velocity) / FORTE).toFixed(2) } : {});
  }

  private instrument(voice: BarVoice, head: Head): number {
    if (head.drum === null) return voice.instrument;
    return Math.max(0, this.part.instruments.findIndex((instrument) => instrument.drum === head.drum));
  }
}

function pitchOf({ drum, spelled: { step, alter, octave } }: Head): Element {
  if (drum !== null) return node("unpitched", [text("display-step", step), text("display-octave", octave)]);
  return node("pitch", [text("step", step), alter ? text("alter", alter) : null, text("octave", octave)]);
}

function timeModification({ actual, normal, unit }: Tuplet): Element {
  return node("time-modification", [text("actual-notes", actual), text("normal-notes", normal), text("normal-type", unit)]);
}

function notations({ tuplet, beams }: WrittenSymbol, head: Head | null, isChord: boolean): Element | null {
  const children = tiesOf(head).map((type) => node("tied", [], { type }));
  if (tuplet && !isChord) {
    if (tuplet.begins) {
      children.push(node("tuplet", [], { type: "start", number: "1", bracket: beams.length ? "no" : "yes" }));
    }
    if (tuplet.ends) children.push(node("tuplet", [], { type: "stop", number: "1" }));
  }
  return children.length ? node("notations", children) : null;
}

/** A tempo with as many digits as MIDI's microseconds need. */
function tempoText(qpm: number): string {
  for (let decimals = 0; decimals < 9; decimals++) {
    const shown = qpm.toFixed(decimals);
    if (Number(shown) && Math.round(6e7 / Number(shown)) === Math.round(6e7 / qpm)) return shown;
  }
  return qpm.toFixed(9);
}

/** The ends of ties at a head, in the order in which they are written. */
function tiesOf(head: Head | null): ("stop" | "start")[] {
  return [...(head?.tiedFrom ? ["stop" as const] : []), ...(head?.tiedTo ? ["start" as const] : [])];
}
