/* A QR code as an SVG element. Imported only when it is needed, since the encoder is a library. */

import encodeQR from "qr";

const MOST_BYTES = 858; // version 20, of 97 modules on a side: phones read finer codes badly from a screen
const BORDER = 4; // modules, as the standard asks

/** Null if the text is too long. */
export function qrCode(text: string): SVGSVGElement | null {
  const modules = qrModules(text);
  if (!modules) return null;
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("viewBox", `0 0 ${modules.length} ${modules.length}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "QR code of the link");
  svg.setAttribute("shape-rendering", "crispEdges");
  const path = document.createElementNS(namespace, "path");
  path.setAttribute("d", outline(modules));
  svg.append(path);
  return svg;
}

/** The rows of the code with its border; true is dark. Null if the text is too long. */
export function qrModules(text: string): boolean[][] | null {
  if (new TextEncoder().encode(text).length > MOST_BYTES) return null;
  return encodeQR(text, "raw", { ecc: "low", border: BORDER });
}

/** One rectangle for each run of dark modules. */
export function outline(modules: readonly (readonly boolean[])[]): string {
  let path = "";
  for (const [y, row] of modules.entries()) {
    for (let x = 0; x < row.length; x++) {
      if (!row[x]) continue;
      const start = x;
      while (row[x + 1]) x++;
      path += `M${start} ${y}h${x + 1 - start}v1h${start - x - 1}z`;
    }
  }
  return path;
}
