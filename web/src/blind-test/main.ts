/* The entry point of the listening test: asks the server what it is about, and starts the page. Meanwhile the sound is
   loaded. */

import { element } from "../page/element";
import { siteUrl } from "../page/sources";
import { AudioOutput } from "../sound/audio-output";
import { needed } from "./excerpt-player";
import { fetchInfo } from "./requests";
import { TestPage } from "./test-page";

const found = fetchInfo();
const audio = new AudioOutput(siteUrl("sounds/"), found.then((info) => needed(info.voices)));

found.then(
  (info) => new TestPage(info, audio).start(),
  () => {
    element("notice").textContent = "The server does not respond. Try reloading the page in a moment.";
  },
);
