/* The engine with a small model, where it is built (clang and lld; python setup.py build_engine). */

import { existsSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

import { Engine } from "../../src/engine/model";

const code = new URL("../../../src/playbach/export/web/built/engine-chorale.wasm", import.meta.url);

export const isBuilt = existsSync(code);
export const tinyModel = new Uint8Array(gunzipSync(readFileSync(new URL("tiny.model.gz", import.meta.url))));

export function tinyEngine(): Promise<Engine> {
  return Engine.create(new Uint8Array(readFileSync(code)), tinyModel);
}
