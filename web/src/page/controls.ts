/* The controls: reports what the listener changes, and shows the current values. While the music plays, a control shows its
   value at the current bar, unless the listener has just changed it. */

import { parameterValues, type ParameterValues } from "../music/parameter-changes";
import type { Settings } from "../playback/session";
import {
  LASTING_PARAMETERS,
  LIMITS,
  type LastingParameter,
  type ModelInfo,
  type ModelsInfo,
} from "../protocol/messages";
import { element } from "./element";
import { fillInstrumentMenu } from "./instrument-menu";
import { WakeLock } from "./wake-lock";

const SEND_INTERVAL = 200; // milliseconds between two changes of a slider that are sent to the server
const HOLD = 8000; // milliseconds for which a control keeps the listener's value, until the music has reached it

/** How a slider shows its parameter. */
const SLIDER_TEXTS: Record<LastingParameter, SliderTexts> = {
  temperature: { format: (value) => value.toFixed(2), defaultLabel: "model default" },
  tempo: { format: (value) => `♩ = ${Math.round(value)}`, defaultLabel: "as composed" },
};

interface SliderTexts {
  readonly format: (value: number) => string;
  readonly defaultLabel: string;
}

/** Called when the listener changes a value. Null means the default. */
export interface ControlHandlers {
  readonly onParameter: (parameter: LastingParameter, value: number | null) => void;
  readonly onProgram: (value: number | null) => void;
  readonly onVolume: (volume: number) => void;
  /** The listener wishes the screen to stay on, or no longer. */
  readonly onScreen: () => void;
  /** The listener chose the station, or the own stream. */
  readonly onStation: (station: boolean) => void;
  /** The listener chose a model, a runtime or a seed: another stream must be requested. */
  readonly onNewStream: () => void;
}

/** The values at the current bar. */
export interface CurrentValues {
  readonly parameters: ParameterValues;
  readonly program: number | null;
  /** The composed tempo of the piece. */
  readonly composedTempo: number | null;
  readonly seed: number | null;
}

export class Controls {
  private readonly instrument = element("instrument", HTMLSelectElement);
  private readonly model = element("model", HTMLSelectElement);
  private readonly runtime = element("runtime", HTMLSelectElement);
  private readonly seed = element("seed", HTMLInputElement);
  private readonly volumeSlider = element("volume", HTMLInputElement);
  private readonly screen = element("keep-screen-on", HTMLInputElement);
  private readonly sliders: readonly ParameterSlider[];
  private readonly streamButtons = document.querySelectorAll<HTMLInputElement>("input[name=stream]");
  private programChangedAt = -HOLD;

  constructor(
    private readonly info: ModelsInfo,
    instruments: readonly string[],
    private readonly handlers: ControlHandlers,
  ) {
    this.sliders = LASTING_PARAMETERS.map((parameter) => new ParameterSlider(parameter, handlers.onParameter));
    this.showParameters(parameterValues(() => null), null);
    fillInstrumentMenu(this.instrument, instruments);
    this.fillModels();
    this.addListeners();
    element("stream-choice").hidden = info.station === null;
    element("mp3-link").hidden = !info.live;
    element("screen-control").hidden = !WakeLock.supported;
  }

  settings(): Settings {
    return {
      station: this.stationSelected,
      model: this.model.value || null,
      runtime: this.runtime.value || null,
      seed: this.seed.value === "" ? null : Number(this.seed.value),
      ...parameterValues((name) => this.sliders.find((slider) => slider.parameter === name)?.value ?? null),
      program: this.instrument.value === "" ? null : Number(this.instrument.value),
    };
  }

  /** 0 to 1. */
  get volume(): number {
    return this.volumeSlider.valueAsNumber / 100;
  }

  get keepScreenOn(): boolean {
    return this.screen.checked;
  }

  /** Sets all controls, to the settings of a share link. */
  apply(settings: Settings): void {
    for (const input of this.streamButtons) input.checked = (input.value === "station") === settings.station;
    if (this.info.models.some((model) => model.name === settings.model)) this.model.value = settings.model ?? "";
    this.fillRuntimes();
    this.seed.value = settings.seed === null ? "" : String(settings.seed);
    for (const slider of this.sliders) slider.set(settings[slider.parameter]);
    this.instrument.value = settings.program === null ? "" : String(settings.program);
    this.updateDisabled();
  }

  show(current: CurrentValues): void {
    this.showParameters(current.parameters, current.composedTempo);
    if (performance.now() - this.programChangedAt > HOLD) {
      const program = current.program === null ? "" : String(current.program);
      if (this.instrument.value !== program) this.instrument.value = program;
    }
    if (current.seed !== null && document.activeElement !== this.seed) this.seed.value = String(current.seed);
  }

  private showParameters(values: ParameterValues, composedTempo: number | null): void {
    const defaults: ParameterValues = { temperature: this.selectedModel?.temperature ?? 1, tempo: composedTempo };
    for (const slider of this.sliders) slider.show(values[slider.parameter], defaults[slider.parameter]);
  }

  private get stationSelected(): boolean {
    return Array.from(this.streamButtons).some((input) => input.checked && input.value === "station");
  }

  private get selectedModel(): ModelInfo | undefined {
    return this.info.models.find((model) => model.name === this.model.value) ?? this.info.models[0];
  }

  private addListeners(): void {
    this.instrument.addEventListener("change", () => {
      this.programChangedAt = performance.now();
      this.handlers.onProgram(this.settings().program);
    });
    this.volumeSlider.addEventListener("input", () => {
      this.showVolume();
      this.handlers.onVolume(this.volume);
    });
    this.screen.addEventListener("change", () => this.handlers.onScreen());
    this.model.addEventListener("change", () => {
      this.fillRuntimes();
      this.handlers.onNewStream();
    });
    this.runtime.addEventListener("change", () => this.handlers.onNewStream());
    for (const input of this.streamButtons) {
      input.addEventListener("change", () => {
        this.updateDisabled();
        this.seed.value = "";
        this.handlers.onStation(this.stationSelected);
      });
    }
    element("seed-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const [, largest] = LIMITS.seed;
      const tooLarge = Number(this.seed.value) > largest;
      this.seed.setCustomValidity(tooLarge ? `The largest number is ${largest}.` : "");
      if (this.seed.reportValidity()) this.handlers.onNewStream();
    });
    this.seed.addEventListener("input", () => this.seed.setCustomValidity(""));
    element("random-seed").addEventListener("click", () => {
      this.seed.value = "";
      this.handlers.onNewStream();
    });
    this.showVolume();
  }

  private showVolume(): void {
    const text = `${this.volumeSlider.value}%`;
    element("volume-value").textContent = text;
    this.volumeSlider.setAttribute("aria-valuetext", text);
  }

  /** At the station, only the operator can change most values. */
  private updateDisabled(): void {
    const disabled = this.stationSelected;
    element("station-hint").hidden = !disabled;
    for (const slider of this.sliders) slider.disable(disabled);
    for (const input of [this.model, this.runtime, this.seed, ...element("seed-form").querySelectorAll("button")]) {
      input.disabled = disabled;
    }
  }

  private fillModels(): void {
    this.model.replaceChildren(...this.info.models.map((model) => new Option(model.name, model.name)));
    element("model-control").hidden = this.info.models.length < 2;
    this.fillRuntimes();
  }

  private fillRuntimes(): void {
    const runtimes = this.selectedModel?.runtimes ?? [];
    this.runtime.replaceChildren(...runtimes.map((name) => new Option(name, name)));
    element("runtime-control").hidden = runtimes.length < 2;
  }
}

/** A slider for a parameter that has a default. At the default, null, it shows the value that the music then has. */
class ParameterSlider {
  value: number | null = null;
  private defaultValue: number | null = null;
  private readonly slider: HTMLInputElement;
  private readonly output: HTMLElement;
  private readonly reset: HTMLButtonElement;
  private changedAt = -HOLD;
  private sentAt = -SEND_INTERVAL;
  private sendTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    readonly parameter: LastingParameter,
    private readonly onChange: ControlHandlers["onParameter"],
  ) {
    this.slider = element(parameter, HTMLInputElement);
    this.output = element(`${parameter}-value`);
    this.reset = element(`${parameter}-reset`, HTMLButtonElement);
    this.slider.addEventListener("input", () => this.change(this.slider.valueAsNumber));
    this.reset.addEventListener("click", () => {
      this.change(null);
      this.slider.focus();
    });
    this.update();
  }

  set(value: number | null): void {
    this.value = value;
    this.update();
  }

  /** Shows the value at the current bar, and what the default is there. */
  show(value: number | null, defaultValue: number | null): void {
    if (performance.now() - this.changedAt > HOLD && this.value !== value) this.set(value);
    if (defaultValue === this.defaultValue) return;
    this.defaultValue = defaultValue;
    this.update();
  }

  disable(disabled: boolean): void {
    this.slider.disabled = this.reset.disabled = disabled;
  }

  private change(value: number | null): void {
    this.changedAt = performance.now();
    this.set(value);
    clearTimeout(this.sendTimer);
    this.sendTimer = setTimeout(() => this.send(), Math.max(0, this.sentAt + SEND_INTERVAL - this.changedAt));
  }

  private send(): void {
    this.sentAt = performance.now();
    this.onChange(this.parameter, this.value);
  }

  private update(): void {
    const { format, defaultLabel } = SLIDER_TEXTS[this.parameter];
    const shown = this.value ?? this.defaultValue;
    if (shown !== null) this.slider.value = String(shown);
    const formatted = shown === null ? "" : format(shown);
    const text = this.value === null ? `${defaultLabel}${formatted && `, ${formatted}`}` : formatted;
    this.output.textContent = text;
    this.slider.setAttribute("aria-valuetext", text.replace("♩ =", "a quarter note at"));
    this.reset.hidden = this.value === null;
  }
}
