/* The two views of the music, the piano roll and the score, and the switch between them. The choice is remembered in this
   browser. What the score needs is loaded when it is first chosen. */

import type { Timeline } from "../music/timeline";
import { element } from "./element";
import type { ScoreView } from "./score-view";
import "./score-view.css";

type View = "roll" | "score";
const STORED = "playbach-view";

export class MusicViews {
  private score: ScoreView | null = null;
  private view: View = "roll";

  /** @param onShow draws what is shown now. */
  constructor(private readonly timeline: Timeline, private readonly onShow: () => void) {
    for (const input of element("view-choice").querySelectorAll("input")) {
      input.addEventListener("change", () => {
        remember(input.value);
        this.show(input.value === "score" ? "score" : "roll");
      });
      if (input.value === remembered()) input.checked = true;
    }
    this.show(remembered());
  }

  get showsRoll(): boolean {
    return this.view === "roll";
  }

  /** Shows the music at an audio time, in the score if that is chosen. */
  draw(audible: number): void {
    this.score?.draw(audible);
  }

  private show(view: View): void {
    this.view = view;
    element("legend").classList.toggle("of-score", view === "score");
    element("roll").hidden = view !== "roll";
    element("score").hidden = view !== "score";
    if (this.score) this.score.visible = view === "score";
    else if (view === "score") this.load();
    this.onShow();
  }

  private load(): void {
    const fault = element("score-fault");
    fault.hidden = true;
    import("./score-view").then(
      ({ ScoreView }) => {
        this.score ??= new ScoreView(element("score"), this.timeline);
        this.show(this.view);
      },
      () => (fault.hidden = false), // tried again when the score is chosen again
    );
  }
}

function remembered(): View {
  try {
    return localStorage.getItem(STORED) === "score" ? "score" : "roll";
  } catch {
    return "roll"; // storage is switched off
  }
}

function remember(view: string): void {
  try {
    localStorage.setItem(STORED, view);
  } catch {
    // storage is switched off
  }
}
