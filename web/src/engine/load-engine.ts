/* Downloads an engine and its model. Static hosts do not compress files of kinds that they do not know, so the model is packed
   with gzip. */

import { fetchFile, unpack } from "../download/files";
import { Engine } from "./model";

/** `code` and `model` are URLs.
 *  @throws Error if one of them cannot be loaded, or the model file is damaged. */
export async function loadEngine(code: string, model: string): Promise<Engine> {
  const [engine, file] = await Promise.all([code, model].map(async (url) => unpack(await fetchFile(new URL(url)))));
  if (!engine || !file) throw new Error("the engine could not be loaded");
  return Engine.create(engine, new Uint8Array(file));
}
