/* The entry point of the page of one's own tune: asks the server what it can do, and starts the page. */

import { siteUrl } from "../page/sources";
import { AudioOutput } from "../sound/audio-output";
import { HarmoniseError, ServerHarmoniser } from "./harmoniser";
import { CHOIR } from "./music";
import { TunePage } from "./page";

const STATIC = "This page has no server: it plays your tune, and `playbach serve` composes the other voices.";
const NO_SERVER = "The server does not respond. Try reloading the page in a moment.";

async function instruments(): Promise<string[]> {
  const response = await fetch(siteUrl("api/instruments"));
  return response.ok ? ((await response.json()) as string[]) : [];
}

// Keys are heard at once, so the audio clock must not be far ahead of the ear.
const audio = new AudioOutput(siteUrl("sounds/"), Promise.resolve([{ program: CHOIR, drums: false }]), "interactive");
const harmoniser = new ServerHarmoniser(siteUrl);
const page = new TunePage(harmoniser, audio);
if (document.querySelector('meta[name="playbach-site"]')) page.failed(STATIC);
else {
  Promise.all([harmoniser.info(), instruments()]).then(
    ([info, names]) => page.ready(info, names),
    (error: unknown) => page.failed(error instanceof HarmoniseError ? error.message : NO_SERVER),
  );
}
