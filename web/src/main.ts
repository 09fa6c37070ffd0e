/* The entry point: asks the site for its models and instruments, and starts the page. */

import { element } from "./page/element";
import { Page } from "./page/page";
import { loadSite } from "./page/sources";

loadSite().then(
  (site) => new Page(site),
  () => {
    element("status").textContent = "The server does not respond. Try reloading the page in a moment.";
  },
);
