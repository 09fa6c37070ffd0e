/* The entry point of the page of one's own tune: finds out what can compose, a server or an engine in the page, and starts. */

import { loadSite, siteUrl, type SiteInfo } from "../page/sources";
import { AudioOutput } from "../sound/audio-output";
import { EngineHarmoniser } from "./engine-harmoniser";
import { HarmoniseError, ServerHarmoniser, type Harmoniser } from "./harmoniser";
import { CHOIR } from "./music";
import { TunePage } from "./page";

const NO_SERVER = "The server does not respond. Try reloading the page in a moment.";
const NO_MODEL = "No model of this page composes four voices; bach-chorales does.";

function harmoniserOf(site: SiteInfo): Harmoniser {
  if (site.server) return new ServerHarmoniser(siteUrl);
  const model = site.models.find(({ engine, voices }) => engine && voices.length === 4);
  if (!model?.engine) throw new HarmoniseError(NO_MODEL);
  return new EngineHarmoniser(model.name, model.engine, siteUrl);
}

// Keys are heard at once, so the audio clock must not be far ahead of the ear.
const audio = new AudioOutput(siteUrl("sounds/"), Promise.resolve([{ program: CHOIR, drums: false }]), "interactive");
const page = new TunePage(audio);
loadSite()
  .then(async (site) => {
    const harmoniser = harmoniserOf(site);
    page.ready(harmoniser, await harmoniser.info(), site.instruments, site.server);
  })
  .catch((error: unknown) => page.failed(error instanceof HarmoniseError ? error.message : NO_SERVER));
