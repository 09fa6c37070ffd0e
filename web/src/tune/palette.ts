/* The tools of the staff, and the keys of the computer's keyboard: what each does to the tune. */

import { element } from "../page/element";
import {
  addLetter, addRest, addTied, chooseLength, LENGTHS, moveCursor, raiseSelected, removeAfter, removeBefore, selected, setAlter,
  toggleDot, toggleFermata, type TuneState,
} from "./entry";
import { GLYPHS, type GlyphName } from "./glyphs";
import { LETTERS } from "./pitches";

type Edit = (tune: TuneState) => TuneState;

const LENGTH_NAMES: Record<number, string> = { 16: "Whole", 8: "Half", 4: "Quarter", 2: "Eighth", 1: "Sixteenth" };
const LENGTH_KEYS: Record<string, number> = { "1": 16, "2": 8, "4": 4, "8": 2, "6": 1 };
const OCTAVE = 7; // letters
const NAMESPACE = "http://www.w3.org/2000/svg";

/** Inside the tune, a length is also that of the selected note. */
function changesSelected(tune: TuneState): boolean {
  return tune.cursor > 0 && tune.cursor < tune.entries.length;
}

const EDITS: Record<string, Edit> = {
  dot: (tune) => toggleDot(tune, changesSelected(tune)),
  rest: (tune) => addRest(tune),
  tie: addTied,
  fermata: toggleFermata,
  sharp: (tune) => setAlter(tune, 1),
  flat: (tune) => setAlter(tune, -1),
  natural: (tune) => setAlter(tune, 0),
  raise: (tune) => raiseSelected(tune, 1),
  lower: (tune) => raiseSelected(tune, -1),
  left: (tune) => moveCursor(tune, tune.cursor - 1),
  right: (tune) => moveCursor(tune, tune.cursor + 1),
  delete: removeBefore,
};

/** What a key does; null: nothing. */
export function editOfKey(key: string, isShift: boolean): Edit | null {
  const letter = key.length === 1 ? LETTERS.indexOf(key.toUpperCase()) : -1;
  if (letter >= 0) return (tune) => addLetter(tune, letter);
  const length = LENGTH_KEYS[key];
  if (length !== undefined) return (tune) => chooseLength(tune, length, changesSelected(tune));
  switch (key) {
    case ".": return EDITS.dot ?? null;
    case "r": case "R": case "0": return EDITS.rest ?? null;
    case "t": case "T": return EDITS.tie ?? null;
    case "u": case "U": return EDITS.fermata ?? null;
    case "#": case "+": return EDITS.sharp ?? null;
    case "-": return EDITS.flat ?? null;
    case "n": case "N": case "=": return EDITS.natural ?? null;
    case "ArrowUp": return (tune) => raiseSelected(tune, isShift ? OCTAVE : 1);
    case "ArrowDown": return (tune) => raiseSelected(tune, isShift ? -OCTAVE : -1);
    case "ArrowLeft": return EDITS.left ?? null;
    case "ArrowRight": return EDITS.right ?? null;
    case "Home": return (tune) => moveCursor(tune, 0);
    case "End": return (tune) => moveCursor(tune, tune.entries.length);
    case "Backspace": return EDITS.delete ?? null;
    case "Delete": return removeAfter;
    default: return null;
  }
}

export class Palette {
  private readonly lengths = new Map<number, HTMLButtonElement>();

  constructor(onEdit: (edit: Edit) => void, onUndo: () => void, onRedo: () => void) {
    const host = element("lengths");
    for (const length of LENGTHS) {
      const name = LENGTH_NAMES[length] ?? "";
      const button = document.createElement("button");
      button.type = "button";
      button.className = "tool";
      button.setAttribute("role", "radio");
      button.setAttribute("aria-label", name);
      const key = Object.keys(LENGTH_KEYS).find((k) => LENGTH_KEYS[k] === length) ?? "";
      button.title = `${name} note (${key})`;
      button.append(noteIcon(length));
      button.addEventListener("click", () => onEdit((tune) => chooseLength(tune, length, changesSelected(tune))));
      this.lengths.set(length, button);
      host.append(button);
    }
    element("dot").append(dottedIcon());
    element("rest").append(signIcon("rest4", -2, 20));
    element("fermata").append(signIcon("fermata", -3, 26));
    for (const [name, edit] of Object.entries(EDITS)) element(name).addEventListener("click", () => onEdit(edit));
    element("undo").addEventListener("click", onUndo);
    element("redo").addEventListener("click", onRedo);
  }

  show(tune: TuneState, canUndo: boolean, canRedo: boolean): void {
    for (const [length, button] of this.lengths) button.setAttribute("aria-checked", String(length === tune.length));
    element("dot").setAttribute("aria-pressed", String(tune.dotted));
    const note = selected(tune);
    const isNote = note?.kind === "note";
    for (const name of ["tie", "fermata", "sharp", "flat", "natural", "raise", "lower"]) setEnabled(name, isNote);
    element("fermata").setAttribute("aria-pressed", String(isNote && note.fermata));
    setEnabled("delete", tune.cursor > 0);
    setEnabled("left", tune.cursor > 0);
    setEnabled("right", tune.cursor < tune.entries.length);
    setEnabled("undo", canUndo);
    setEnabled("redo", canRedo);
  }
}

function setEnabled(id: string, isEnabled: boolean): void {
  element(id, HTMLButtonElement).disabled = !isEnabled;
}

/** A note of this length, as on the staff. */
function noteIcon(length: number): SVGElement {
  const icon = signIcon(length === 16 ? "whole" : length === 8 ? "half" : "black", 3, 26);
  if (length === 16) return icon;
  const stem = document.createElementNS(NAMESPACE, "line");
  for (const [name, value] of Object.entries({ x1: 13.2, y1: 25, x2: 13.2, y2: 3, "stroke-width": 1.2 })) {
    stem.setAttribute(name, String(value));
  }
  icon.append(stem);
  if (length < 4) icon.append(...signIcon(`flagUp${16 / length}` as GlyphName, 12.8, 3).children);
  return icon;
}

function dottedIcon(): SVGElement {
  const icon = noteIcon(4);
  const dot = document.createElementNS(NAMESPACE, "circle");
  for (const [name, value] of Object.entries({ cx: 19, cy: 25, r: 2.4 })) dot.setAttribute(name, String(value));
  icon.append(dot);
  return icon;
}

function signIcon(name: GlyphName, x: number, y: number): SVGElement {
  const icon = document.createElementNS(NAMESPACE, "svg");
  icon.setAttribute("viewBox", "0 0 24 32");
  icon.setAttribute("width", "24");
  icon.setAttribute("height", "32");
  icon.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(NAMESPACE, "path");
  path.setAttribute("d", GLYPHS[name]);
  path.setAttribute("transform", `translate(${x} ${y}) scale(0.035 -0.035)`);
  icon.append(path);
  return icon;
}
