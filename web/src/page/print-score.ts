/* Prints a score from the browser, which can also save it as PDF: for pages without a server that engraves. The score is
   engraved for the width of a sheet of paper, and a print stylesheet hides everything else. */

import { engrave } from "../notation/engrave";
import type { NotatedScore } from "../notation/model";

const STAFF_HEIGHT = 26; // pixels: 7 mm

export async function printScore(score: NotatedScore, title: string): Promise<void> {
  const sheet = document.createElement("section");
  sheet.className = "printed-score";
  const heading = document.createElement("h1");
  heading.textContent = title;
  sheet.append(heading);
  document.body.append(sheet);
  document.documentElement.classList.add("prints-score");
  const finish = (): void => {
    document.documentElement.classList.remove("prints-score");
    sheet.remove();
  };
  try {
    await engrave(sheet, score, { staffHeight: STAFF_HEIGHT });
    window.addEventListener("afterprint", finish, { once: true });
    window.print();
  } catch (error) {
    finish();
    throw error;
  }
}
