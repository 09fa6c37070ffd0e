/* The entry: asks the server which models and instruments it has, and shows the page. */

import { address, Page } from "./page/page";
import type { ModelsInfo } from "./protocol/messages";

async function json(path: string): Promise<unknown> {
  const answer = await fetch(address(path));
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

Promise.all([json("api/models"), json("api/instruments")]).then(
  ([info, instruments]) => new Page(info as ModelsInfo, instruments as string[]),
  () => {
    const status = document.getElementById("status");
    if (status) status.textContent = "The radio does not answer. Reload the page in a moment.";
  },
);
