/* The tune while it is entered: the staff, its tools, the keys, and the choices of key, meter, pickup and tempo. */

import { element } from "../page/element";
import {
  addNote, barLength, EMPTY_TUNE, MAX_ENTRIES, moveCursor, selected, setKey, setMeter, setPitch, totalLength, type TuneState,
} from "./entry";
import { History } from "./history";
import { editOfKey, Palette } from "./palette";
import { keyName, midiPitch, spell, type Pitch } from "./pitches";
import { StaffView } from "./staff-view";

export interface EntryActions {
  /** The tune has changed. */
  readonly onChange: (tune: TuneState) => void;
  /** A pitch is to be heard. */
  readonly onTouch: (pitch: number) => void;
  readonly onPlay: () => void;
  readonly onHarmonise: () => void;
}

const METERS = [[4, 4], [3, 4], [2, 4], [2, 2], [3, 2], [6, 8]] as const;
const MOST_FIFTHS = 6;

export class EntryView {
  readonly staff: StaffView;
  private readonly history = new History<TuneState>(EMPTY_TUNE);
  private readonly palette: Palette;

  constructor(
    private readonly actions: EntryActions,
    private readonly mostBars: () => number,
  ) {
    this.palette = new Palette((edit) => this.edit(edit), () => this.undo(), () => this.redo());
    this.staff = new StaffView(element("staff"), {
      onAdd: (pitch) => this.edit((tune) => addNote(moveCursor(tune, tune.entries.length), pitch), false),
      onSelect: (entry, pitch) => this.select(entry, pitch),
      onPreview: (pitch) => this.actions.onTouch(midiPitch(pitch)),
    });
    this.fillMenus();
    element("staff").addEventListener("keydown", (event) => this.press(event));
    document.addEventListener("keydown", (event) => {
      if (event.target === document.body) this.press(event);
    });
    this.show();
  }

  get tune(): TuneState {
    return this.history.present;
  }

  /** Makes another tune the present one; this can be undone. */
  setTune(tune: TuneState): void {
    this.history.change(tune);
    this.show();
    this.actions.onChange(tune);
  }

  /** Adds a note that was played on a key, spelled by the key of the tune. */
  addPlayed(pitch: number): void {
    this.edit((tune) => addNote(tune, spell(pitch, tune.key)), false);
  }

  private edit(edit: (tune: TuneState) => TuneState, isHeard = true): void {
    const before = this.tune;
    const tune = edit(before);
    if (tune === before) {
      if (before.entries.length >= MAX_ENTRIES) this.say(`A tune can have ${MAX_ENTRIES} notes and rests.`);
      return;
    }
    const isMove = tune.entries === before.entries;
    this.history.change(tune, isMove);
    this.show();
    if (isMove) return;
    const note = selected(tune);
    if (isHeard && note?.kind === "note" && note !== selected(before)) this.actions.onTouch(midiPitch(note));
    this.actions.onChange(tune);
  }

  private select(entry: number, pitch: Pitch | null): void {
    this.edit((tune) => {
      const moved = moveCursor(tune, entry + 1);
      return pitch ? setPitch(moved, pitch) : moved;
    }, false);
  }

  private undo(): void {
    this.history.undo();
    this.show();
    this.actions.onChange(this.tune);
  }

  private redo(): void {
    this.history.redo();
    this.show();
    this.actions.onChange(this.tune);
  }

  private press(event: KeyboardEvent): void {
    const isCommand = event.ctrlKey || event.metaKey;
    if (isCommand && event.key.toLowerCase() === "z") {
      event.preventDefault();
      if (event.shiftKey) this.redo();
      else this.undo();
    } else if (isCommand && event.key.toLowerCase() === "y") {
      event.preventDefault();
      this.redo();
    } else if (isCommand || event.altKey || event.defaultPrevented) return;
    else if (event.key === " ") {
      event.preventDefault();
      this.actions.onPlay();
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.actions.onHarmonise();
    } else {
      const edit = editOfKey(event.key, event.shiftKey);
      if (!edit) return;
      event.preventDefault();
      this.edit(edit);
    }
  }

  private fillMenus(): void {
    const key = element("key", HTMLSelectElement);
    for (const minor of [false, true]) {
      const group = document.createElement("optgroup");
      group.label = minor ? "Minor" : "Major";
      for (let fifths = -MOST_FIFTHS; fifths <= MOST_FIFTHS; fifths++) {
        group.append(new Option(keyName({ fifths, minor }), `${fifths} ${minor}`));
      }
      key.append(group);
    }
    key.addEventListener("change", () => {
      const [fifths, minor] = key.value.split(" ");
      this.edit((tune) => setKey(tune, { fifths: Number(fifths), minor: minor === "true" }), false);
    });
    const meter = element("meter", HTMLSelectElement);
    for (const [numerator, denominator] of METERS) meter.append(new Option(`${numerator}/${denominator}`));
    meter.addEventListener("change", () => {
      const [numerator = 4, denominator = 4] = meter.value.split("/").map(Number);
      this.edit((tune) => setMeter(tune, [numerator, denominator]), false);
    });
    const pickup = element("pickup", HTMLSelectElement);
    pickup.addEventListener("change", () => this.edit((tune) => ({ ...tune, pickup: Number(pickup.value) }), false));
    const tempo = element("tempo", HTMLInputElement);
    tempo.addEventListener("input", () => {
      this.history.change({ ...this.tune, tempo: tempo.valueAsNumber }, true);
      this.show();
    });
    tempo.addEventListener("change", () => this.actions.onChange(this.tune));
  }

  private show(): void {
    const { tune } = this;
    this.staff.show(tune);
    this.palette.show(tune, this.history.canUndo, this.history.canRedo);
    element("staff-prompt").hidden = tune.entries.length > 0;
    element("key", HTMLSelectElement).value = `${tune.key.fifths} ${tune.key.minor}`;
    this.showMeter(tune);
    element("tempo", HTMLInputElement).value = String(tune.tempo);
    element("tempo-value").textContent = String(Math.round(tune.tempo));
    this.say(tune.entries.length ? this.lengthText(tune) : "");
  }

  private showMeter(tune: TuneState): void {
    const meter = element("meter", HTMLSelectElement);
    const name = tune.meter.join("/");
    if (![...meter.options].some((option) => option.value === name)) meter.append(new Option(name));
    meter.value = name;
    const pickup = element("pickup", HTMLSelectElement);
    const choices: [string, number][] = [["on the beat", 0]];
    const beat = 16 / tune.meter[1];
    for (let beats = 1; beats * beat < barLength(tune); beats++) {
      choices.push([`with a pickup of ${beats} beat${beats > 1 ? "s" : ""}`, beats * beat]);
    }
    if (!choices.some(([, length]) => length === tune.pickup)) choices.push(["with a pickup", tune.pickup]);
    pickup.replaceChildren(...choices.map(([text, length]) => new Option(text, String(length))));
    pickup.value = String(tune.pickup);
  }

  private lengthText(tune: TuneState): string {
    const bars = (totalLength(tune) - tune.pickup) / barLength(tune);
    const whole = Math.max(0, Math.ceil(bars));
    const most = this.mostBars();
    if (whole > most) return `The tune has ${whole} bars; at most ${most} can be harmonised.`;
    const full = Number.isInteger(bars) ? "" : ", the last one not full";
    return `${whole} bar${whole === 1 ? "" : "s"}${full}`;
  }

  private say(text: string): void {
    const status = element("entry-status");
    if (status.textContent !== text) status.textContent = text;
  }
}
