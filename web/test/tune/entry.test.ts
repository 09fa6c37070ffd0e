import { describe, expect, it } from "vitest";

import {
  addLetter, addNote, addRest, addTied, chooseLength, EMPTY_TUNE, entriesOf, fermataTicks, MAX_ENTRIES, moveCursor, offGrid,
  raiseSelected, removeAfter, removeBefore, selected, setAlter, setKey, setMeter, setPitch, timedNotes, toggleDot, toggleFermata,
  totalLength, writable, type TuneState,
} from "../../src/tune/entry";
import { editOfKey } from "../../src/tune/palette";
import { pitchName } from "../../src/tune/pitches";

function names(tune: TuneState): string {
  return tune.entries.map((entry) => `${entry.kind === "note" ? pitchName(entry) : "r"}:${entry.length}`).join(" ");
}

/** The tune after these keys. */
function typed(keys: readonly string[], tune = EMPTY_TUNE): TuneState {
  return keys.reduce((state, key) => {
    const edit = editOfKey(key, false);
    if (!edit) throw new Error(`the key ${key} does nothing`);
    return edit(state);
  }, tune);
}

const G_MAJOR = { fifths: 1, minor: false };

describe("the keyboard", () => {
  it("adds letters in the nearest octave, in the key", () => {
    expect(names(typed(["g", "b", "d", "c", "f"]))).toBe("G4:4 B4:4 D5:4 C5:4 F5:4");
    expect(names(typed(["d", "f", "g"], setKey(EMPTY_TUNE, G_MAJOR)))).toBe("D4:4 F♯4:4 G4:4");
  });

  it("chooses lengths by their names", () => {
    expect(names(typed(["2", "c", "8", "d", "6", "e", "1", "f", "4", ".", "g"]))).toBe("C5:8 D5:2 E5:1 F5:16 G5:6");
  });

  it("has rests, ties, accidentals and arrows", () => {
    expect(names(typed(["c", "r", "d", "#", "8", "t"]))).toBe("C5:4 r:4 D♯5:4 D♯5:2");
    expect(names(typed(["c", "ArrowUp", "ArrowUp", "d", "ArrowDown"]))).toBe("E5:4 C5:4");
    expect(names(typed(["c", "d", "e", "ArrowLeft", "ArrowLeft", "g", "Delete", "End", "Backspace"]))).toBe("C5:4 G4:4");
  });

  it("knows no other keys", () => {
    for (const key of ["h", "x", "Tab", "Escape", "7", "F1"]) expect(editOfKey(key, false)).toBeNull();
  });
});

describe("edits", () => {
  const line = typed(["c", "d", "e", "f"]);

  it("insert at the cursor", () => {
    expect(names(addRest(moveCursor(line, 1)))).toBe("C5:4 r:4 D5:4 E5:4 F5:4");
    expect(moveCursor(line, -3).cursor).toBe(0);
    expect(moveCursor(line, 99).cursor).toBe(4);
  });

  it("remove before and after the cursor", () => {
    expect(names(removeBefore(moveCursor(line, 2)))).toBe("C5:4 E5:4 F5:4");
    expect(names(removeAfter(moveCursor(line, 2)))).toBe("C5:4 D5:4 F5:4");
    expect(removeBefore(moveCursor(line, 0)).entries).toBe(line.entries);
    expect(removeAfter(line)).toBe(line);
  });

  it("change the length of the selected note inside the tune only if asked to", () => {
    const inside = moveCursor(line, 2);
    expect(names(chooseLength(inside, 8, true))).toBe("C5:4 D5:8 E5:4 F5:4");
    expect(names(toggleDot(inside, true))).toBe("C5:4 D5:6 E5:4 F5:4");
    expect(chooseLength(inside, 8).entries).toBe(line.entries);
    expect(toggleDot({ ...line, length: 1 })).toEqual({ ...line, length: 1 });
  });

  it("give the key's accidental back when one is chosen twice", () => {
    const inKey = typed(["f"], setKey(EMPTY_TUNE, G_MAJOR));
    expect(names(setAlter(inKey, 0))).toBe("F4:4");
    expect(names(setAlter(setAlter(inKey, 0), 0))).toBe("F♯4:4");
  });

  it("move tied notes together, and end a tie that another pitch follows", () => {
    const tied = addTied(typed(["c"]));
    expect(timedNotes(tied.entries)).toEqual([[0, 960, 72]]);
    expect(names(raiseSelected(tied, 1))).toBe("D5:4 D5:4");
    expect(timedNotes(addLetter(moveCursor(tied, 1), 2).entries)).toHaveLength(3);
    expect(timedNotes(removeBefore(tied).entries)).toEqual([[0, 480, 72]]);
  });

  it("keep to pitches that can be sung, and to a number of notes", () => {
    expect(setPitch(line, { step: 99, alter: 0 })).toBe(line);
    expect(addNote(line, { step: 0, alter: 0 })).toBe(line);
    const full = { ...EMPTY_TUNE, entries: Array.from({ length: MAX_ENTRIES }, () => ({ kind: "rest", length: 1 }) as const) };
    expect(addRest(full)).toBe(full);
  });

  it("follow a new key, but for accidentals", () => {
    const tune = setAlter(typed(["f", "f", "g"]), 1); // F, F, G sharp
    expect(names(setKey(tune, { fifths: 2, minor: true }))).toBe("F♯4:4 F♯4:4 G♯4:4");
  });

  it("drop a pickup that a new meter has no room for", () => {
    expect(setMeter({ ...line, pickup: 12 }, [2, 4]).pickup).toBe(0);
    expect(setMeter({ ...line, pickup: 4 }, [2, 4]).pickup).toBe(4);
  });

  it("mark the selected note with a fermata", () => {
    const marked = toggleFermata(line);
    expect(fermataTicks(marked.entries)).toEqual([3 * 480]);
    expect(fermataTicks(toggleFermata(marked).entries)).toEqual([]);
    expect(fermataTicks(toggleFermata(addTied(line)).entries)).toEqual([3 * 480]); // where the tied note begins
    expect(selected(marked)).toMatchObject({ fermata: true });
  });
});

describe("notes in time", () => {
  it("come back as they were", () => {
    const notes = [[480, 480, 67], [960, 720, 69], [1680, 240, 66], [2400, 4080, 62]] as const;
    const entries = entriesOf(notes, [2400], G_MAJOR);
    expect(timedNotes(entries)).toEqual(notes);
    expect(fermataTicks(entries)).toEqual([2400]);
    expect(totalLength({ ...EMPTY_TUNE, entries }) * 120).toBe(2400 + 4080);
  });

  it("are rounded to sixteenths, and it is known how many", () => {
    const notes = [[0, 160, 60], [160, 160, 62], [320, 160, 64]] as const;
    expect(timedNotes(entriesOf(notes, [], G_MAJOR))).toEqual([[0, 120, 60], [120, 240, 62], [360, 120, 64]]);
    expect(offGrid(notes)).toBe(2);
    expect(offGrid([[0, 100, 60], [485, 100, 60]])).toBe(0);
  });

  it("have lengths that can be written", () => {
    expect([1, 2, 3, 4, 5, 6, 7, 10, 12, 16, 24, 40].map(writable)).toEqual(
      [[1], [2], [3], [4], [4, 1], [6], [6, 1], [8, 2], [12], [16], [24], [24, 16]],
    );
  });
});
