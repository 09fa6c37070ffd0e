/* The switch between the piano roll and the score. The choice is remembered in this browser. */

import { element } from "./element";

export type View = "roll" | "score";
const STORED = "playbach-view";

/** Shows the remembered view, and tells when another is chosen. */
export function chooseView(onChoice: (view: View) => void): void {
  const choose = (view: View): void => {
    element("legend").classList.toggle("of-score", view === "score");
    onChoice(view);
  };
  for (const input of element("view-choice").querySelectorAll("input")) {
    input.addEventListener("change", () => {
      const view = input.value === "score" ? "score" : "roll";
      remember(view);
      choose(view);
    });
    if (input.value === remembered()) input.checked = true;
  }
  choose(remembered());
}

function remembered(): View {
  try {
    return localStorage.getItem(STORED) === "score" ? "score" : "roll";
  } catch {
    return "roll"; // storage is switched off
  }
}

function remember(view: View): void {
  try {
    localStorage.setItem(STORED, view);
  } catch {
    // storage is switched off
  }
}
