/* The line that says where the sound is made, whose instruments these are, and on which terms they may be used. */

import type { Instruments } from "../sound/instruments";

export function showSound(line: HTMLElement, { renderer, font }: Instruments): void {
  line.replaceChildren(`Your device makes the sound (${renderer}). Instruments: ${font.name}`);
  if (font.author) line.append(` by ${font.author}`);
  if (font.terms) line.append(" (", font.termsAddress ? link(font.terms, font.termsAddress) : font.terms, ")");
  line.append(".");
}

function link(text: string, address: string): HTMLElement {
  const anchor = document.createElement("a");
  anchor.href = address;
  anchor.textContent = text;
  return anchor;
}
