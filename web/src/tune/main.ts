/* The entry point of the page of one's own tune: asks the server what it can do, and starts the page. */

import { HarmoniseError, ServerHarmoniser } from "./harmoniser";
import { TunePage } from "./page";

function url(path: string): URL {
  return new URL(path, document.baseURI);
}

async function instruments(): Promise<string[]> {
  const response = await fetch(url("api/instruments"));
  return response.ok ? ((await response.json()) as string[]) : [];
}

const harmoniser = new ServerHarmoniser(url);
const page = new TunePage(harmoniser, url);
Promise.all([harmoniser.info(), instruments()]).then(
  ([info, names]) => page.ready(info, names),
  (error: unknown) => page.failed(error instanceof HarmoniseError ? error.message : "The server does not respond. Try reloading the page in a moment."),
);
