/* The entry point: asks the site for its models and instruments, and starts the page. Meanwhile the sound is loaded. */

import { registerServiceWorker } from "./offline/register";
import { element } from "./page/element";
import { firstVoices } from "./page/first-voices";
import { Page } from "./page/page";
import { loadSite, siteUrl } from "./page/sources";
import { AudioOutput } from "./sound/audio-output";

const found = loadSite();
const audio = new AudioOutput(siteUrl("sounds/"), found.then(({ models }) => firstVoices(models, window.location.hash)));

found.then(
  (site) => {
    new Page(site, audio);
    if (!site.server) void audio.synth.then(registerServiceWorker);
  },
  () => {
    element("status").textContent = "The server does not respond. Try reloading the page in a moment.";
  },
);
