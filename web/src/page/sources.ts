/* What the page can play, and where its music comes from: a server, or engines in the page alone, on a static host. */

import { EngineWorker } from "../engine/engine-worker";
import { LocalConnection } from "../engine/local-connection";
import { Connection, type MusicSource, type SourceCallbacks } from "../protocol/connection";
import { WEB_RUNTIME, type ModelInfo, type ModelsInfo, type ServerMessage } from "../protocol/messages";
import { parseMessage } from "../protocol/parse";
import type { MusicSources } from "../playback/player";
import type { Settings } from "../playback/session";

/** What the page knows from the beginning. */
export interface SiteInfo extends ModelsInfo {
  /** The names of General MIDI's instruments. */
  readonly instruments: readonly string[];
  /** Files with openings for the first model; only on a published site. */
  readonly openings?: readonly string[];
  /** Whether there is a server that composes. */
  readonly server: boolean;
}

/** The URL of one of the site's paths. All paths are relative to the page's own URL. */
export function siteUrl(path: string): URL {
  return new URL(path, document.baseURI);
}

/** The site's description: a file on a static host, which names it in the page; answers of the server otherwise.
 *  @throws Error if it cannot be loaded. */
export async function loadSite(): Promise<SiteInfo> {
  const file = document.querySelector<HTMLMetaElement>('meta[name="playbach-site"]')?.content;
  if (file) return { ...(await fetchJson(file) as SiteInfo), server: false };
  const [models, instruments] = await Promise.all([fetchJson("api/models"), fetchJson("api/instruments")]);
  const info = models as ModelsInfo;
  return { ...info, models: info.models.map(withOwnRuntime), instruments: instruments as string[], server: true };
}

/** The model, which the page can run too, if there is an engine for it. */
function withOwnRuntime(model: ModelInfo): ModelInfo {
  return model.engine ? { ...model, runtimes: [...model.runtimes, WEB_RUNTIME] } : model;
}

async function fetchJson(path: string): Promise<unknown> {
  const response = await fetch(siteUrl(path));
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  return response.json();
}

/** Whether a model composes in the page: where there is no server, or where the listener chose that. */
export function isLocal(site: SiteInfo, settings: Settings): boolean {
  return !settings.station && (!site.server || settings.runtime === WEB_RUNTIME);
}

/** Opens the sources of the page's music. */
export class Sources implements MusicSources {
  private readonly engines = new Map<string, EngineWorker>(); // by the model's file
  private readonly ready = new Set<string>(); // the models whose engines are loaded
  private opening: Promise<readonly ServerMessage[] | null> | null = null;

  constructor(private readonly site: SiteInfo) {
    if (!site.server) this.prepare(null);
  }

  /** The source of the music that the settings ask for. */
  open(settings: Settings, callbacks: SourceCallbacks): MusicSource {
    const engine = isLocal(this.site, settings) ? this.engineOf(settings.model) : null;
    if (!engine) return new Connection(socketUrl(), callbacks);
    const isFirst = settings.model === null || settings.model === this.site.models[0]?.name;
    return new LocalConnection(engine, callbacks, () => (isFirst ? this.loadOpening() : Promise.resolve(null)));
  }

  /** The settings with which the page goes on by itself; null if it cannot, or its engine is not ready. */
  alone(settings: Settings, model: string): Settings | null {
    const files = modelOf(this.site, model)?.engine;
    if (!this.site.server || settings.runtime === WEB_RUNTIME || !files || !this.ready.has(files.model)) return null;
    return { ...settings, station: false, model, runtime: WEB_RUNTIME };
  }

  /** Loads the engine for a model, if there is one, so that it is ready when it is needed. */
  prepare(model: string | null): void {
    if (!this.site.server) void this.loadOpening();
    this.engineOf(model);
  }

  private engineOf(name: string | null): EngineWorker | null {
    const files = modelOf(this.site, name)?.engine;
    if (!files) return null;
    const known = this.engines.get(files.model);
    if (known) return known;
    const engine = new EngineWorker({ code: siteUrl(files.code), model: siteUrl(files.model) });
    this.engines.set(files.model, engine);
    engine.ready.then(
      () => this.ready.add(files.model),
      () => this.engines.delete(files.model), // it may load another time
    );
    return engine;
  }

  /** One of the site's openings, the same each time. */
  private loadOpening(): Promise<readonly ServerMessage[] | null> {
    const { openings = [] } = this.site;
    const file = openings[Math.floor(Math.random() * openings.length)];
    this.opening ??= file === undefined ? Promise.resolve(null) : fetchJson(file).then((messages) => (
      (messages as unknown[]).map((message) => parseMessage(JSON.stringify(message)))
    ));
    return this.opening;
  }
}

/** A model by its name; null stands for the first. */
export function modelOf(site: SiteInfo, name: string | null): ModelInfo | undefined {
  return name === null ? site.models[0] : site.models.find((model) => model.name === name);
}

function socketUrl(): URL {
  const url = siteUrl("ws");
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}
