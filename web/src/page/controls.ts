/* The knobs as elements: reads what the listener turns, and shows what holds. While the music plays a knob shows its value
   where the music is, unless the listener has just turned it.

   Knows elements and values; what they do is told to whoever made it. */

import { fillInstruments } from "./instrument-menu";
import { LIMITS, type ModelInfo, type ModelsInfo } from "../protocol/messages";
import type { Wishes } from "../playback/session";

const EVERY = 200; // milliseconds: a slider speaks no oftener to the server
const TURNED = 8000; // milliseconds: so long what was turned counts more than what is heard

export interface Turned {
  readonly tempo: (value: number | null) => void;
  readonly temperature: (value: number | null) => void;
  readonly program: (value: number | null) => void;
  readonly volume: (share: number) => void;
  /** Another programme is asked for: model, runtime, seed, or station or own. */
  readonly programme: () => void;
}

/** What holds where the music is. */
export interface Heard {
  readonly tempo: number | null;
  readonly temperature: number | null;
  readonly program: number | null;
  readonly qpm: number | null;
  readonly seed: number | null;
}

export function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as T;
}

export class Controls {
  private readonly instrument = element<HTMLSelectElement>("instrument");
  private readonly model = element<HTMLSelectElement>("model");
  private readonly runtime = element<HTMLSelectElement>("runtime");
  private readonly seed = element<HTMLInputElement>("seed");
  private readonly volume = element<HTMLInputElement>("volume");
  private readonly tempo: Knob;
  private readonly temperature: Knob;
  private readonly station = document.querySelectorAll<HTMLInputElement>("input[name=source]");
  private programTurned = -TURNED;

  constructor(
    private readonly info: ModelsInfo,
    instruments: readonly string[],
    private readonly turned: Turned,
  ) {
    this.tempo = new Knob("tempo", (value) => `♩ = ${Math.round(value)}`, "as composed", turned.tempo);
    this.temperature = new Knob("temperature", (value) => value.toFixed(2), "the model’s own", turned.temperature);
    this.temperature.show(null, this.chosen?.temperature ?? 1);
    fillInstruments(this.instrument, instruments);
    this.fillModels();
    this.listen();
    element("source").hidden = info.station === null;
    element("another").hidden = !info.live;
  }

  wishes(): Wishes {
    return {
      station: this.atStation,
      model: this.model.value || null,
      runtime: this.runtime.value || null,
      seed: this.seed.value === "" ? null : Number(this.seed.value),
      temperature: this.temperature.value,
      tempo: this.tempo.value,
      program: this.instrument.value === "" ? null : Number(this.instrument.value),
    };
  }

  get volumeShare(): number {
    return this.volume.valueAsNumber / 100;
  }

  /** A link brings its own values. */
  take(wishes: Wishes): void {
    for (const input of this.station) input.checked = (input.value === "station") === wishes.station;
    if (this.info.models.some((model) => model.name === wishes.model)) this.model.value = wishes.model ?? "";
    this.fillRuntimes();
    this.seed.value = wishes.seed === null ? "" : String(wishes.seed);
    this.temperature.set(wishes.temperature);
    this.tempo.set(wishes.tempo);
    this.instrument.value = wishes.program === null ? "" : String(wishes.program);
    this.lock();
  }

  show(heard: Heard): void {
    this.tempo.show(heard.tempo, heard.qpm);
    this.temperature.show(heard.temperature, this.chosen?.temperature ?? 1);
    if (performance.now() - this.programTurned > TURNED) {
      const program = heard.program === null ? "" : String(heard.program);
      if (this.instrument.value !== program) this.instrument.value = program;
    }
    if (heard.seed !== null && document.activeElement !== this.seed) this.seed.value = String(heard.seed);
  }

  private get atStation(): boolean {
    return Array.from(this.station).some((input) => input.checked && input.value === "station");
  }

  private get chosen(): ModelInfo | undefined {
    return this.info.models.find((model) => model.name === this.model.value) ?? this.info.models[0];
  }

  private listen(): void {
    this.instrument.addEventListener("change", () => {
      this.programTurned = performance.now();
      this.turned.program(this.wishes().program);
    });
    this.volume.addEventListener("input", () => this.turned.volume(this.sayVolume()));
    this.model.addEventListener("change", () => {
      this.fillRuntimes();
      this.turned.programme();
    });
    this.runtime.addEventListener("change", () => this.turned.programme());
    for (const input of this.station) {
      input.addEventListener("change", () => {
        this.lock();
        this.seed.value = "";
        this.turned.programme();
      });
    }
    element("seed-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.seed.setCustomValidity(Number(this.seed.value) > LIMITS.seed ? "This seed is too large." : "");
      if (this.seed.reportValidity()) this.turned.programme();
    });
    this.seed.addEventListener("input", () => this.seed.setCustomValidity(""));
    element("surprise").addEventListener("click", () => {
      this.seed.value = "";
      this.turned.programme();
    });
    this.sayVolume();
  }

  private sayVolume(): number {
    const percent = `${this.volume.value} %`;
    element("volume-value").textContent = percent;
    this.volume.setAttribute("aria-valuetext", percent);
    return this.volumeShare;
  }

  /** What belongs to a station's operator cannot be turned. */
  private lock(): void {
    const locked = this.atStation;
    element("station-hint").hidden = !locked;
    this.tempo.lock(locked);
    this.temperature.lock(locked);
    for (const input of [this.model, this.runtime, this.seed, ...element("seed-form").querySelectorAll("button")]) {
      input.disabled = locked;
    }
  }

  private fillModels(): void {
    this.model.replaceChildren(...this.info.models.map((model) => new Option(model.name, model.name)));
    element("model-knob").hidden = this.info.models.length < 2;
    this.fillRuntimes();
  }

  private fillRuntimes(): void {
    const runtimes = this.chosen?.runtimes ?? [];
    this.runtime.replaceChildren(...runtimes.map((name) => new Option(name, name)));
    element("runtime-knob").hidden = runtimes.length < 2;
  }
}

/** A slider that can also stand at "the music's own", shown where the music then is. */
class Knob {
  value: number | null = null;
  private natural: number | null = null; // what the music does by itself
  private readonly slider: HTMLInputElement;
  private readonly output: HTMLElement;
  private readonly reset: HTMLButtonElement;
  private turnedAt = -TURNED;
  private waiting: ReturnType<typeof setTimeout> | undefined;
  private spokeAt = -EVERY;

  constructor(
    id: string,
    private readonly say: (value: number) => string,
    private readonly own: string,
    private readonly turned: (value: number | null) => void,
  ) {
    this.slider = element<HTMLInputElement>(id);
    this.output = element(`${id}-value`);
    this.reset = element<HTMLButtonElement>(`${id}-reset`);
    this.slider.addEventListener("input", () => this.turn(this.slider.valueAsNumber));
    this.reset.addEventListener("click", () => {
      this.turn(null);
      this.slider.focus();
    });
    this.describe();
  }

  set(value: number | null): void {
    this.value = value;
    this.describe();
  }

  /** `value` is what the knob stands at where the music is, `own` what the music does by itself. */
  show(value: number | null, own: number | null): void {
    if (performance.now() - this.turnedAt > TURNED && this.value !== value) this.set(value);
    if (own === this.natural) return;
    this.natural = own;
    this.describe();
  }

  lock(locked: boolean): void {
    this.slider.disabled = this.reset.disabled = locked;
  }

  private turn(value: number | null): void {
    this.turnedAt = performance.now();
    this.set(value);
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.speak(), Math.max(0, this.spokeAt + EVERY - this.turnedAt));
  }

  private speak(): void {
    this.spokeAt = performance.now();
    this.turned(this.value);
  }

  private describe(): void {
    const at = this.value ?? this.natural;
    if (at !== null) this.slider.value = String(at);
    const said = at === null ? "" : this.say(at);
    const text = this.value === null ? `${this.own}${said && `, ${said}`}` : said;
    this.output.textContent = text;
    this.slider.setAttribute("aria-valuetext", text.replace("♩ =", "a quarter note at"));
    this.reset.hidden = this.value === null;
  }
}
