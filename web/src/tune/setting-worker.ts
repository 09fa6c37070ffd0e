/* The worker in which the page composes a setting without a server: loads the engine and its model once, then composes one
   setting after another. */

import { loadEngine } from "../engine/load-engine";
import type { Engine } from "../engine/model";
import type { Setting, Tune } from "../protocol/messages";
import { CannotSet, composeSetting, type EngineOptions, type TuneVoice } from "./engine-setting";

/** To the worker. */
export interface SettingTask {
  /** Of the engine and the model: their addresses. */
  readonly code: string;
  readonly model: string;
  readonly tune: Tune;
  readonly voice: TuneVoice;
  readonly options: EngineOptions;
}

/** From the worker. */
export type SettingNews =
  | { readonly type: "setting"; readonly setting: Setting }
  | { readonly type: "failed"; readonly reason: string };

const scope = self as unknown as { postMessage(message: SettingNews): void };
let engine: Promise<Engine> | null = null;

self.onmessage = ({ data }: MessageEvent<SettingTask>) => {
  void compose(data).then((news) => scope.postMessage(news));
};

async function compose({ code, model, tune, voice, options }: SettingTask): Promise<SettingNews> {
  try {
    engine ??= load(code, model);
    const work = composeSetting(await engine, tune, voice, options);
    for (;;) {
      const { done, value } = work.next();
      if (done) return { type: "setting", setting: value };
    }
  } catch (error) {
    engine = error instanceof CannotSet ? engine : null; // it may load another time
    return { type: "failed", reason: error instanceof Error ? error.message : String(error) };
  }
}

async function load(code: string, model: string): Promise<Engine> {
  const loaded = await loadEngine(code, model);
  if (loaded.about.encoding !== "chorale") throw new CannotSet("The model of this page does not compose four voices.");
  return loaded;
}
