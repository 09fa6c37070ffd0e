/* Draws one bar of a score as an SVG element of its own, with VexFlow. So a bar that arrives, or that is replaced, costs as much
   as one bar. Knows one bar and what stands before it. */

import {
  Accidental, BarlineType, Beam, Dot, Formatter, GhostNote, Stave, StaveConnector, StaveNote, SVGContext, Tuplet,
  Voice as VexVoice, VoiceMode, Fraction, type StemmableNote,
} from "vexflow/core";
import { CHORD_GAP, chordPlaces, chordStretch, placeAt, type Anchors, type PlacedChord } from "./chord-places";
import { CROSS_HEADS } from "./layout";
import {
  UNITS, type BarVoice, type Clef, type Head, type NotatedBar, type NotatedScore, type Part, type Value, type WrittenSymbol,
} from "./model";
import { valueOf } from "./rhythm";
import type { StaffPlaces } from "./staff-places";

/** Pixels of VexFlow for a staff space, before scaling. */
const SPACE = 10;
const DURATIONS: Readonly<Record<Value, string>> = {
  breve: "1/2", whole: "w", half: "h", quarter: "q", eighth: "8", "16th": "16", "32nd": "32", "64th": "64", "128th": "128",
};
const ACCIDENTALS: Readonly<Record<number, string>> = { [-2]: "bb", [-1]: "b", 0: "n", 1: "#", 2: "##" };
const CLEF_NAMES: Readonly<Record<string, string>> = { G2: "treble", F4: "bass", C3: "alto", C4: "tenor", percussion2: "percussion" };
/** The letter and octave on the middle line of each clef, where rests stand. */
const MIDDLE_KEYS: Readonly<Record<string, string>> = { G2: "b/4", F4: "d/3", C3: "c/4", C4: "a/3", percussion2: "b/4" };
const RELATIVE_WIDTH = 1.25; // of a bar's notes, to the least that VexFlow finds
const LEAST_NOTE_WIDTH = 60;
const LINE_MARGIN = 14; // for the brace or bracket before a line
const CHORD_FONT_SIZE = 15;
const MOST_STRETCHES = 6;
const TEMPO_Y = 14;
const SVG = "http://www.w3.org/2000/svg";

/** What is asked for, beyond the bar. */
export interface BarRequest {
  readonly parts: readonly Part[];
  readonly bar: NotatedBar;
  readonly places: StaffPlaces;
  /** Pixels for a staff space. */
  readonly scale: number;
  /** Whether a line begins with this bar: clefs, key and bracket are drawn. */
  readonly startsLine: boolean;
  /** The clefs that the next bar changes to, by part and staff. */
  readonly nextClefs: readonly (readonly (Clef | null)[])[];
  /** Of the bar, if it is to be filled; default: what it needs. */
  readonly width: number | null;
  /** Whether only what stands before the music is drawn. */
  readonly isHead: boolean;
}

/** The end of a tie at a bar line. */
export interface TieEnd {
  /** The part, staff, voice and place that it belongs to. */
  readonly name: string;
  /** From the bar's left edge, in unscaled pixels. */
  readonly x: number;
  readonly y: number;
  /** 1: the tie bends downwards. */
  readonly direction: number;
}

export interface DrawnBar {
  readonly element: SVGSVGElement;
  /** In pixels of the page. */
  readonly width: number;
  /** Of the notes alone: what is left when a line is filled is divided by this. */
  readonly noteWidth: number;
  /** Where places of the bar stand, in order: units and pixels of the page. */
  readonly anchors: Anchors;
  readonly tiesIn: readonly TieEnd[];
  readonly tiesOut: readonly TieEnd[];
}

/** A symbol of the bar with the note that VexFlow draws for it. */
interface DrawnSymbol {
  readonly symbol: WrittenSymbol;
  readonly voice: BarVoice;
  readonly note: StemmableNote;
}

interface DrawnVoice {
  readonly name: string;
  readonly stave: Stave;
  readonly voice: BarVoice;
  readonly symbols: readonly DrawnSymbol[];
  readonly vex: VexVoice;
  readonly beams: readonly Beam[];
  readonly tuplets: readonly Tuplet[];
}

export function drawBar(request: BarRequest): DrawnBar {
  const { bar, places, scale } = request;
  const host = document.createElement("div");
  const context = new SVGContext(host);
  context.setFillStyle("currentColor").setStrokeStyle("currentColor");
  const staves = places.staves.map((place, i) => makeStave(request, i, place.top * SPACE));
  const noteStart = Math.max(...staves.map((stave) => stave.getNoteStartX()));
  const voices = staves.flatMap((stave, i) => makeVoices(request, i, stave));
  const formatter = new Formatter();
  for (const stave of staves) {
    const own = voices.filter((voice) => voice.stave === stave).map((voice) => voice.vex);
    if (own.length) formatter.joinVoices(own);
  }
  const all = voices.map((voice) => voice.vex);
  const left = request.startsLine ? LINE_MARGIN : 0;
  const endWidth = Math.max(...staves.map((stave) => left + stave.getWidth() - stave.getNoteEndX()));
  const least = all.length ? formatter.preCalculateMinTotalWidth(all) : LEAST_NOTE_WIDTH;
  let noteWidth = request.isHead ? 0 : Math.max(LEAST_NOTE_WIDTH, least * RELATIVE_WIDTH + Stave.defaultPadding);
  if (request.width !== null) noteWidth = Math.max(noteWidth, request.width / scale * SPACE - noteStart - endWidth);
  const place = (): void => {
    for (const stave of staves) {
      stave.setWidth(noteStart + noteWidth + endWidth - left);
      stave.setNoteStartX(noteStart);
    }
    if (all.length) formatter.format(all, noteWidth - Stave.defaultPadding);
    for (const { vex, stave } of voices) vex.setStave(stave);
  };
  place();
  const chords = bar.chords.map((chord) => ({ ...chord, width: textWidth(chord.text) }));
  for (let pass = 0; pass < MOST_STRETCHES; pass++) {
    const needed = chordStretch(chords, anchorsOf(voices, bar, noteStart + noteWidth + endWidth));
    if (needed <= 1) break;
    noteWidth *= needed;
    place();
  }
  // Notes do not spread evenly as a bar grows. What still touches goes to the right, and the bar ends after it.
  const words = chordPlaces(chords, anchorsOf(voices, bar, noteStart + noteWidth + endWidth));
  const lastWord = words.at(-1);
  const missing = (lastWord ? lastWord.x + lastWord.width + CHORD_GAP : 0) - (noteStart + noteWidth + endWidth);
  if (missing > 0) noteWidth += missing;
  if (request.width === null) noteWidth += wholePixels(noteStart + noteWidth + endWidth, scale / SPACE);
  const width = noteStart + noteWidth + endWidth;
  for (const stave of staves) stave.setWidth(width - left);
  for (const stave of staves) stave.setContext(context).draw();
  drawConnectors(request, staves, context);
  for (const voice of voices) drawVoice(voice, context);
  const anchors = anchorsOf(voices, bar, width);
  const ties = drawTies(voices, context.svg);
  drawWords(request, words, anchors, context.svg);
  const { svg } = context;
  const unit = scale / SPACE;
  svg.setAttribute("width", String(width * unit));
  svg.setAttribute("height", String(places.height * scale));
  svg.setAttribute("viewBox", `0 0 ${width} ${places.height * SPACE}`);
  svg.setAttribute("aria-hidden", "true");
  svg.removeAttribute("style");
  return {
    element: svg, width: width * unit, noteWidth: noteWidth * unit,
    anchors: anchors.map(({ onset, x }) => ({ onset, x: x * unit })), ...ties,
  };
}

/** What a width lacks to whole pixels: bars that stand between pixels are blurred. */
function wholePixels(width: number, unit: number): number {
  return Math.ceil(width * unit) / unit - width;
}

// ------------------------------------------------------------------------------------------------------------ staves

/** The clefs that the bar after one changes to, by part and staff; none if none changes. */
export function nextClefs(score: NotatedScore, at: number): (Clef | null)[][] {
  const next = score.bars[at + 1];
  if (!score.parts.some((_, p) => next?.parts[p]?.newClefs.includes(true))) return [];
  return score.parts.map((_, p) => {
    const content = next?.parts[p];
    return (content?.clefs ?? []).map((clef, s): Clef | null => (content?.newClefs[s] ? clef : null));
  });
}

function clefName(clef: Clef): string {
  return CLEF_NAMES[`${clef.sign}${clef.line}`] ?? "treble";
}

function annotation(clef: Clef): string | undefined {
  return clef.octave < 0 ? "8vb" : clef.octave > 0 ? "8va" : undefined;
}

function makeStave({ parts, bar, places, startsLine, nextClefs, isHead }: BarRequest, index: number, y: number): Stave {
  const { part, staff } = places.staves[index] ?? { part: 0, staff: 1 };
  const isPitched = !parts[part]?.isDrums;
  const stave = new Stave(startsLine ? LINE_MARGIN : 0, y, 0, { spaceAboveStaffLn: 0, spaceBelowStaffLn: 0, leftBar: false });
  stave.setDefaultLedgerLineStyle({ strokeStyle: "currentColor", lineWidth: 1.4 });
  const clef = bar.parts[part]?.clefs[staff - 1];
  if (startsLine && clef) stave.addClef(clefName(clef), "default", annotation(clef));
  if (startsLine && isPitched && bar.key.fifths) stave.addKeySignature(signatureName(bar.key.fifths));
  if (bar.newMeter) stave.addTimeSignature(`${bar.meter[0]}/${bar.meter[1]}`);
  const next = nextClefs[part]?.[staff - 1];
  if (next) stave.setEndClef(clefName(next), "small", annotation(next));
  stave.setEndBarType(isHead ? BarlineType.NONE : bar.last ? BarlineType.END : BarlineType.SINGLE);
  stave.format();
  return stave;
}

/** The major key with this signature, as VexFlow names it. */
function signatureName(fifths: number): string {
  const letter = "FCGDAEB"[(((fifths + 1) % 7) + 7) % 7] ?? "C";
  const accidentals = Math.floor((fifths + 1) / 7);
  return letter + (accidentals > 0 ? "#".repeat(accidentals) : "b".repeat(-accidentals));
}

function drawConnectors({ parts, bar, places, startsLine, isHead }: BarRequest, staves: readonly Stave[], context: SVGContext): void {
  const [first, last] = [staves[0], staves.at(-1)];
  if (!first || !last) return;
  const connect = (top: Stave, bottom: Stave, type: "singleLeft" | "singleRight" | "boldDoubleRight" | "brace" | "bracket"): void => {
    new StaveConnector(top, bottom).setType(type).setContext(context).draw();
  };
  if (startsLine && staves.length > 1) connect(first, last, "singleLeft");
  for (const [top, bottom, sign] of groupsOf(parts, places, staves)) {
    if (top === bottom) continue;
    if (startsLine) connect(top, bottom, sign);
    if (!isHead) connect(top, bottom, bar.last ? "boldDoubleRight" : "singleRight");
  }
}

/** The staves that one bar line goes through, and what stands before them. */
function groupsOf(
  parts: readonly Part[], places: StaffPlaces, staves: readonly Stave[],
): (readonly [top: Stave, bottom: Stave, sign: "brace" | "bracket"])[] {
  const groups = new Map<string, Stave[]>();
  for (const [i, stave] of staves.entries()) {
    const number = places.staves[i]?.part ?? 0;
    const name = parts[number]?.isChoir ? "bracket" : `brace ${number}`;
    groups.set(name, [...(groups.get(name) ?? []), stave]);
  }
  return [...groups].flatMap(([name, own]) => {
    const [top, bottom] = [own[0], own.at(-1)];
    return top && bottom ? [[top, bottom, name === "bracket" ? name : "brace"] as const] : [];
  });
}

// ------------------------------------------------------------------------------------------------------------ voices

function makeVoices({ bar, places, parts }: BarRequest, index: number, stave: Stave): DrawnVoice[] {
  const { part, staff } = places.staves[index] ?? { part: 0, staff: 1 };
  const content = bar.parts[part];
  const clef = content?.clefs[staff - 1];
  if (!content || !clef) return [];
  const own = content.voices.filter((voice) => voice.staff === staff);
  return own.map((voice): DrawnVoice => {
    const others = own.filter((other) => other !== voice);
    const symbols = voice.symbols.map((symbol): DrawnSymbol => ({
      symbol, voice, note: makeNote(symbol, voice, clef, others.every((other) => restsWith(other, symbol))),
    }));
    const tuplets = tupletGroups(symbols).map((group) => makeTuplet(group, voice));
    const beams = beamGroups(symbols).map((group) => makeBeam(group, voice));
    const vex = new VexVoice({ numBeats: bar.meter[0], beatValue: bar.meter[1] }).setMode(VoiceMode.SOFT);
    vex.addTickables(symbols.map(({ note }) => note));
    return { name: `${part}.${parts[part]?.isDrums ? 0 : staff}.${voice.number}`, stave, voice, symbols, vex, beams, tuplets };
  });
}

/** Whether a voice has the same rest: VexFlow then draws one for both. */
function restsWith({ symbols }: BarVoice, { onset, length }: WrittenSymbol): boolean {
  return symbols.some((other) => !other.heads.length && !other.hidden && other.onset === onset && other.length === length);
}

/** @param isShared whether a rest is one for all voices of the staff. */
function makeNote(symbol: WrittenSymbol, voice: BarVoice, clef: Clef, isShared: boolean): StemmableNote {
  const { value, dots, heads } = symbol;
  const duration = DURATIONS[value];
  if (symbol.hidden) return new GhostNote({ duration, dots });
  const clefOfNote = clefName(clef);
  if (!heads.length) {
    const middle = MIDDLE_KEYS[`${clef.sign}${clef.line}`] ?? "b/4";
    const rest = new StaveNote({
      keys: [middle], duration: `${duration}r`, dots, clef: clefOfNote, alignCenter: symbol.wholeBar,
      ...(symbol.wholeBar && { durationOverride: new Fraction(symbol.length * 4096, UNITS) }),
    });
    // Of two voices, each rests on its own side of the middle line, if the other does not rest with it.
    if (voice.stem && !isShared) rest.setKeyLine(0, restLine(symbol, voice.stem === "up"));
    if (dots) Dot.buildAndAttach([rest], { all: true });
    return rest;
  }
  const direction = voice.stem === "up" ? 1 : voice.stem === "down" ? -1 : undefined;
  const note = new StaveNote({
    keys: heads.map((head) => keyOfHead(head, clef)), duration, dots, clef: clefOfNote,
    ...(direction === undefined ? { autoStem: true } : { stemDirection: direction }),
  });
  for (const [i, head] of heads.entries()) {
    if (head.accidental) note.addModifier(new Accidental(ACCIDENTALS[head.spelled.alter] ?? "n"), i);
  }
  if (dots) Dot.buildAndAttach([note], { all: true });
  return note;
}

function restLine(symbol: WrittenSymbol, isUpper: boolean): number {
  const middle = symbol.value === "whole" ? 4 : 3;
  return middle + (isUpper ? 2 : -2);
}

function keyOfHead({ spelled: { step, alter, octave }, drum }: Head, clef: Clef): string {
  const accidental = alter ? (ACCIDENTALS[alter] ?? "") : "";
  const cross = drum !== null && CROSS_HEADS.has(drum) ? "/x2" : "";
  return `${step.toLowerCase()}${accidental}/${octave - clef.octave}${cross}`;
}

function beamGroups(symbols: readonly DrawnSymbol[]): DrawnSymbol[][] {
  const groups: DrawnSymbol[][] = [];
  for (const drawn of symbols) {
    const [first] = drawn.symbol.beams;
    if (first === "begin") groups.push([drawn]);
    else if (first) groups.at(-1)?.push(drawn);
  }
  return groups.filter((group) => group.length > 1);
}

function makeBeam(group: readonly DrawnSymbol[], voice: BarVoice): Beam {
  const beam = new Beam(group.map(({ note }) => note), !voice.stem);
  const breaks: number[] = [];
  for (const [i, { symbol }] of group.entries()) {
    const [, second] = symbol.beams;
    const next = group[i + 1]?.symbol.beams[1];
    if (second !== undefined && next !== undefined && second !== "begin" && second !== "continue") breaks.push(i);
    const hook = symbol.beams.find((part) => part.endsWith("hook"));
    if (hook) beam.setPartialBeamSideAt(i, hook === "forward hook" ? "R" : "L");
  }
  return breaks.length ? beam.breakSecondaryAt(breaks) : beam;
}

function tupletGroups(symbols: readonly DrawnSymbol[]): DrawnSymbol[][] {
  const groups: DrawnSymbol[][] = [];
  for (const drawn of symbols) {
    if (drawn.symbol.tuplet?.begins) groups.push([drawn]);
    else if (drawn.symbol.tuplet) groups.at(-1)?.push(drawn);
  }
  return groups;
}

function makeTuplet(group: readonly DrawnSymbol[], voice: BarVoice): Tuplet {
  const tuplet = group[0]?.symbol.tuplet;
  const isBeamed = group.every(({ symbol }) => symbol.beams.length);
  return new Tuplet(group.map(({ note }) => note), {
    numNotes: tuplet?.actual ?? 3, notesOccupied: tuplet?.normal ?? 2, ratioed: false, bracketed: !isBeamed,
    location: voice.stem === "down" ? -1 : 1,
  });
}

function drawVoice({ vex, stave, beams, tuplets, symbols }: DrawnVoice, context: SVGContext): void {
  for (const { note } of symbols) note.setContext(context);
  vex.draw(context, stave);
  for (const beam of beams) beam.setContext(context).drawWithStyle();
  for (const tuplet of tuplets) tuplet.setContext(context).drawWithStyle();
}

// -------------------------------------------------------------------------------------------------- places and ties

/** Where the places of a bar stand: its onsets, and its end. */
function anchorsOf(voices: readonly DrawnVoice[], bar: NotatedBar, width: number): { onset: number; x: number }[] {
  const found = new Map<number, number>();
  for (const { symbol, note } of voices.flatMap((voice) => voice.symbols)) {
    if (symbol.wholeBar || (symbol.hidden && found.has(symbol.onset))) continue;
    const x = note.getAbsoluteX();
    if (!symbol.hidden || !found.has(symbol.onset)) found.set(symbol.onset, Math.min(x, found.get(symbol.onset) ?? Infinity));
  }
  const anchors = [...found].map(([onset, x]) => ({ onset, x })).sort((a, b) => a.onset - b.onset);
  if (!anchors.length || (anchors[0]?.onset ?? 0) > 0) anchors.unshift({ onset: 0, x: Math.min(20, anchors[0]?.x ?? 20) });
  return [...anchors, { onset: (bar.ticks * UNITS) / 480, x: width }];
}

function drawTies(voices: readonly DrawnVoice[], svg: SVGSVGElement): { tiesIn: TieEnd[]; tiesOut: TieEnd[] } {
  const tiesIn: TieEnd[] = [];
  const tiesOut: TieEnd[] = [];
  for (const { symbols, voice, name } of voices) {
    const open = new Map<number, TieEnd>();
    for (const { symbol, note } of symbols) {
      if (!(note instanceof StaveNote) || !symbol.heads.length) continue;
      const ys = note.getYs();
      const closing: [TieEnd | undefined, TieEnd][] = [];
      for (const [i, head] of symbol.heads.entries()) {
        const direction = tieDirection(voice, note, i, symbol.heads.length);
        const end = { name: `${name}.${pitchName(head)}`, y: ys[i] ?? 0, direction };
        const pitch = head.drum ?? head.spelled.octave * 100 + "CDEFGAB".indexOf(head.spelled.step) * 10 + head.spelled.alter;
        if (head.tiedFrom) closing.push([open.get(pitch), { ...end, x: note.getTieLeftX() }]);
        if (head.tiedTo) open.set(pitch, { ...end, x: note.getTieRightX() });
        else open.delete(pitch);
      }
      for (const [from, to] of closing) {
        if (from) svg.append(tiePath(from.x, to.x, from.y, from.direction));
        else if (symbol.onset === 0) tiesIn.push(to);
      }
    }
    tiesOut.push(...open.values());
  }
  return { tiesIn, tiesOut };
}

function pitchName({ spelled: { step, alter, octave } }: Head): string {
  return `${step}${alter}${octave}`;
}

/** The upper voice's ties bend upwards, the lower one's downwards; those of one voice away from its stem, of a chord outwards. */
function tieDirection(voice: BarVoice, note: StaveNote, head: number, heads: number): number {
  if (voice.stem) return voice.stem === "up" ? -1 : 1;
  if (heads > 1) return 2 * head >= heads ? -1 : 1;
  return note.getStemDirection() > 0 ? 1 : -1;
}

/** The ties into a bar from the bar before; those that come from nowhere, as at the beginning of a line, are short.
 *  @param left the width of the bar before. */
export function joinTies(tiesIn: readonly TieEnd[], tied: readonly TieEnd[], left: number, scale: number): SVGPathElement[] {
  return tiesIn.map((to) => {
    const from = tied.find((end) => end.name === to.name);
    const x = from ? from.x - (left * SPACE) / scale : to.x - 16;
    return tiePath(x, to.x, to.y, from?.direction ?? to.direction);
  });
}

function tiePath(from: number, to: number, y: number, direction: number): SVGPathElement {
  const path = document.createElementNS(SVG, "path");
  const length = Math.max(8, to - from);
  const [low, high] = [y + 7 * direction, y + (9 + Math.min(9, length / 9)) * direction];
  const [a, b] = [from + length * 0.3, from + length * 0.7];
  const inner = high - 2.4 * direction;
  path.setAttribute("d", `M${from} ${low}C${a} ${high} ${b} ${high} ${to} ${low}C${b} ${inner} ${a} ${inner} ${from} ${low}Z`);
  path.setAttribute("class", "tie");
  path.setAttribute("fill", "currentColor");
  return path;
}

// ------------------------------------------------------------------------------------------------------------ words

let measuring: CanvasRenderingContext2D | null = null;

function textWidth(text: string): number {
  measuring ??= document.createElement("canvas").getContext("2d");
  if (!measuring) return text.length * CHORD_FONT_SIZE * 0.6;
  measuring.font = `600 ${CHORD_FONT_SIZE}px system-ui, sans-serif`;
  return measuring.measureText(text).width;
}

function drawWords(
  { bar, places, scale, startsLine }: BarRequest, chords: readonly PlacedChord[],
  anchors: Anchors, svg: SVGSVGElement,
): void {
  const top = (places.staves[0]?.top ?? 0) * SPACE;
  for (const { text, x } of chords) svg.append(word(text, x, places.chords * SPACE, "chord", CHORD_FONT_SIZE));
  for (const tempo of bar.tempos.filter((mark) => mark.shown)) {
    const x = startsLine ? LINE_MARGIN : placeAt(anchors, tempo.onset) - 2;
    svg.append(word(tempoText(tempo.qpm, bar.beat), x, TEMPO_Y, "tempo", CHORD_FONT_SIZE - 1));
  }
  if (bar.number > 0) {
    const size = Math.max(11, (9 * SPACE) / scale);
    svg.append(word(String(bar.number), startsLine ? LINE_MARGIN + 2 : 3, top - SPACE * 0.9, "bar-number", size));
  }
}

/** As in ♩ = 76, with the beat that a metronome counts. */
function tempoText(qpm: number, beat: number): string {
  const { value, dots } = valueOf(beat) ?? { value: "quarter", dots: 0 };
  const sign = value === "eighth" ? "♪" : value === "half" ? "\u{1d15e}" : "♩";
  return `${sign}${dots ? "." : ""} = ${Math.round((qpm * UNITS) / beat)}`;
}

function word(text: string, x: number, y: number, kind: string, size: number): SVGTextElement {
  const element = document.createElementNS(SVG, "text");
  element.textContent = text;
  element.setAttribute("x", String(x));
  element.setAttribute("y", String(y));
  element.setAttribute("class", kind);
  element.setAttribute("font-size", String(size));
  element.setAttribute("stroke", "none");
  return element;
}
