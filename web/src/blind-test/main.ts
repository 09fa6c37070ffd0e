/* The entry point of the listening test: asks the server what it is about, and starts the page. */

import { element } from "../page/element";
import { AudioOutput, fetchSoundFont } from "../sound/audio-output";
import { fetchInfo } from "./requests";
import { TestPage } from "./test-page";

const audio = new AudioOutput(fetchSoundFont(new URL("soundfont", document.baseURI), (part) => page?.showLoading(part)));
let page: TestPage | undefined;

fetchInfo().then(
  (info) => {
    page = new TestPage(info, audio);
    return page.start();
  },
  () => {
    element("notice").textContent = "The server does not respond. Try reloading the page in a moment.";
  },
);
