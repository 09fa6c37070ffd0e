/* The entry point: asks the server for its models and instruments, and starts the page. */

import { element } from "./page/element";
import { Page, serverUrl } from "./page/page";
import type { ModelsInfo } from "./protocol/messages";

async function fetchJson(path: string): Promise<unknown> {
  const response = await fetch(serverUrl(path));
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  return response.json();
}

Promise.all([fetchJson("api/models"), fetchJson("api/instruments")]).then(
  ([models, instruments]) => new Page(models as ModelsInfo, instruments as string[]),
  () => {
    element("status").textContent = "The server does not respond. Try reloading the page in a moment.";
  },
);
