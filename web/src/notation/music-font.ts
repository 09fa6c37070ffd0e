/* Loads VexFlow's font, which it measures: it must be there before anything is drawn. */

import leland from "@vexflow-fonts/leland/leland.woff2?url";
import { MetricsDefaults, VexFlow } from "vexflow/core";

const FONT = "Leland";
let loaded: Promise<unknown> | null = null;

export function loadFont(): Promise<unknown> {
  loaded ??= (async () => {
    VexFlow.setFonts(FONT);
    const defaults = MetricsDefaults as Record<string, Record<string, unknown>>;
    Object.assign(defaults.Stave ?? {}, { strokeStyle: "currentColor" });
    Object.assign(defaults.Stem ?? {}, { strokeStyle: "currentColor" });
    document.fonts.add(await new FontFace(FONT, `url(${leland})`).load());
  })();
  loaded.catch(() => (loaded = null));
  return loaded;
}
