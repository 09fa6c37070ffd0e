/* What composes settings of tunes: a server, or anything else with this interface, such as an engine in the page. */

import { ANSWER_CHECKS } from "../protocol/message-checks";
import type { HarmoniseInfo, HarmoniseRequest, Setting, Tune } from "../protocol/messages";
import { refusalReason } from "../protocol/reasons";

export type VoiceName = NonNullable<HarmoniseRequest["voice"]>;
export type FileFormat = NonNullable<HarmoniseRequest["format"]>;

export interface HarmoniseOptions {
  /** The voice that sings the tune. */
  readonly voice: VoiceName;
  /** Null: any. */
  readonly seed: number | null;
  readonly temperature: number | null;
  readonly rules: boolean;
  readonly drafts: number;
}

export interface Harmoniser {
  /** What it can do. */
  info(): Promise<HarmoniseInfo>;
  harmonise(tune: Tune, options: HarmoniseOptions): Promise<Setting>;
  /** A file with the setting of this seed, or with the tune alone. */
  file(tune: Tune, options: HarmoniseOptions, format: FileFormat): Promise<Blob>;
  /** The tune of a MIDI or MusicXML file. */
  read(file: File): Promise<Tune>;
}

/** Why there is no setting, as a sentence for the player. */
export class HarmoniseError extends Error {}

const TIMEOUT = 60_000; // milliseconds

/** Harmonises with a server (docs/radio-protocol.md). */
export class ServerHarmoniser implements Harmoniser {
  /** `url` gives the URL of one of the server's paths. */
  constructor(private readonly url: (path: string) => URL) {}

  async info(): Promise<HarmoniseInfo> {
    const info: unknown = await (await this.request("api/harmonise", {})).json();
    ANSWER_CHECKS.harmoniseInfo(info, "the answer");
    return info as HarmoniseInfo;
  }

  async harmonise(tune: Tune, options: HarmoniseOptions): Promise<Setting> {
    const setting: unknown = await (await this.post(tune, options)).json();
    ANSWER_CHECKS.setting(setting, "the setting");
    return setting as Setting;
  }

  async file(tune: Tune, options: HarmoniseOptions, format: FileFormat): Promise<Blob> {
    return (await this.post(tune, options, format)).blob();
  }

  async read(file: File): Promise<Tune> {
    const { file_bytes: most } = await this.info();
    if (file.size > most) throw new HarmoniseError(`The file is larger than ${most >> 20} MiB.`);
    const path = `api/tune?name=${encodeURIComponent(file.name.slice(0, 100))}`;
    const headers = { "content-type": "application/octet-stream" };
    const tune: unknown = await (await this.request(path, { method: "POST", body: file, headers })).json();
    ANSWER_CHECKS.tune(tune, "the tune");
    return tune as Tune;
  }

  private post(tune: Tune, options: HarmoniseOptions, format?: FileFormat): Promise<Response> {
    const body = JSON.stringify({ tune, ...options, format });
    return this.request("api/harmonise", { method: "POST", body, headers: { "content-type": "application/json" } });
  }

  private async request(path: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(this.url(path), { ...init, signal: AbortSignal.timeout(TIMEOUT) });
    } catch (error) {
      const isLate = error instanceof DOMException && error.name === "TimeoutError";
      throw new HarmoniseError(isLate ? "The server took too long." : "The server cannot be reached.");
    }
    if (!response.ok) throw new HarmoniseError(await refusalReason(response));
    return response;
  }
}
