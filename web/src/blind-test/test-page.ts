/* The page of the listening test: the listener's skill, pair after pair, and the result. */

import { element } from "../page/element";
import { showSound } from "../page/sound-info";
import { parameterValues } from "../music/parameter-changes";
import { toFragment } from "../playback/share-link";
import { SKILLS, type PairShown, type RevealedPair, type TestInfo, type TestResult } from "../protocol/blind-test";
import type { ModelsInfo } from "../protocol/messages";
import type { AudioOutput } from "../sound/audio-output";
import { ExcerptPlayer } from "./excerpt-player";
import * as requests from "./requests";
import { pairText, resultText, resultTitle } from "./result";

type Side = "a" | "b";
const SIDES: readonly Side[] = ["a", "b"];
const SESSION = "playbach blind test"; // the key of the session's name, which outlives a reload
const TICK_INTERVAL = 50; // milliseconds
const FULL_VOLUME = 0.9;

export class TestPage {
  private readonly notice = element("notice");
  private readonly pairForm = element("pair", HTMLFormElement);
  private readonly player: ExcerptPlayer;
  private pair: PairShown | null = null;
  private readonly heard = new Set<Side>();
  private busy = false;

  constructor(
    private readonly info: TestInfo,
    private readonly audio: AudioOutput,
  ) {
    this.player = new ExcerptPlayer(audio, () => this.update());
    audio.setVolume(FULL_VOLUME);
    this.writeTexts();
    this.addListeners();
    setInterval(() => this.tick(), TICK_INTERVAL);
    void audio.synth.then((synth) => showSound(element("renderer"), synth));
    audio.onLoading = () => this.player.current && !this.player.started && this.update();
  }

  /** Continues the session that a reload interrupted, or shows what the test is about. */
  async start(): Promise<void> {
    const session = sessionStorage.getItem(SESSION);
    if (session) await this.request(() => requests.resume({ session }), false);
    if (!this.pair && element("result").hidden) this.showOnly("intro");
  }

  private writeTexts(): void {
    const { composer, pairs, bars, kept } = this.info;
    const title = `${composer[0]?.toUpperCase() ?? ""}${composer.slice(1)} or not?`;
    element("title").textContent = title;
    document.title = `${title} – playbach`;
    element("instruction").textContent =
      `You will hear ${pairs === 1 ? "a pair" : `${pairs} pairs`} of ${bars} bars: one is by ${composer}, the other ` +
      "was composed by a neural network. Listen to both, as often as you like, and say which is which.";
    element("kept-hint").textContent = kept
      ? "This choice, your answers and the date are kept for the statistics of this test, and nothing else. " +
        "If you stop in the middle, the answers that you have given are kept."
      : "Nothing is kept of your answers.";
    element("question").textContent = `Which one is by ${composer}?`;
    for (const side of SIDES) element(`choose-${side}`).textContent = `${side.toUpperCase()} is by ${composer}`;
  }

  private addListeners(): void {
    element("intro").addEventListener("submit", (event) => {
      event.preventDefault();
      const skill = SKILLS.find((known) => known === this.checked("intro", "skill")) ?? "none";
      void this.request(() => requests.begin({ skill }));
    });
    for (const side of SIDES) element(`play-${side}`).addEventListener("click", () => void this.togglePlay(side));
    this.pairForm.addEventListener("change", () => this.update());
    this.pairForm.addEventListener("submit", (event) => {
      event.preventDefault();
      this.sendAnswer();
    });
    element("stop").addEventListener("click", () => {
      const { pair } = this;
      if (pair) void this.request(() => requests.stop({ session: pair.session }));
    });
    element("again").addEventListener("click", () => {
      this.showOnly("intro");
      element("begin").focus();
    });
  }

  private async togglePlay(side: Side): Promise<void> {
    const { pair } = this;
    if (!pair) return;
    if (this.player.current === pair[side]) {
      this.player.stop();
      return;
    }
    try {
      await this.player.play(pair[side], pair.voices);
      if (this.player.current !== pair[side]) return;
      this.heard.add(side);
      this.update();
    } catch {
      this.notice.textContent = "The instruments could not be loaded. Reload the page.";
    }
  }

  private sendAnswer(): void {
    const { pair } = this;
    const chosen = SIDES.find((side) => side === this.checked("pair", "chosen"));
    if (!pair || !chosen || this.heard.size < SIDES.length) return;
    const sure = Number(this.checked("pair", "sure"));
    void this.request(() =>
      requests.answer({ session: pair.session, pair: pair.pair, chosen, ...(sure ? { sure } : {}) }),
    );
  }

  /** Sends a request, and shows what follows. */
  private async request(send: () => Promise<requests.Next>, tell = true): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.notice.textContent = "";
    this.update();
    try {
      this.show(await send());
    } catch (error) {
      if (error instanceof requests.Refused) this.forget(tell ? error.message : "");
      else this.notice.textContent = "The server does not respond. Try again in a moment.";
    } finally {
      this.busy = false;
      this.update();
    }
  }

  /** The session is not there any more. */
  private forget(reason: string): void {
    sessionStorage.removeItem(SESSION);
    this.player.stop();
    this.pair = null;
    this.showOnly("intro");
    this.notice.textContent = reason;
  }

  private show(next: requests.Next): void {
    this.player.stop();
    if (next.type === "pair") this.showPair(next);
    else this.showResult(next);
  }

  private showPair(pair: PairShown): void {
    sessionStorage.setItem(SESSION, pair.session);
    this.pair = pair;
    this.heard.clear();
    this.pairForm.reset();
    element("pair-title").textContent = `Pair ${pair.pair} of ${pair.pairs}`;
    const progress = element("progress", HTMLProgressElement);
    progress.max = pair.pairs;
    progress.value = pair.pair - 1;
    element("answer").textContent = pair.pair === pair.pairs ? "See the result" : "Next pair";
    this.showOnly("pair");
    element("pair-title").focus();
  }

  private showResult(result: TestResult): void {
    sessionStorage.removeItem(SESSION);
    this.pair = null;
    element("result-title").textContent = resultTitle(result);
    element("result-text").textContent = resultText(result);
    element("answers").replaceChildren(...result.answers.map((answer, i) => this.answerItem(answer, i)));
    element("result-kept").textContent = this.info.kept && result.answers.length
      ? result.kept ? "Your answers were kept. Thank you." : "Your answers could not be kept."
      : "";
    this.showOnly("result");
    element("result-title").focus();
    void this.addLinks(result);
  }

  private answerItem(pair: RevealedPair, index: number): HTMLLIElement {
    const item = document.createElement("li");
    const verdict = document.createElement("span");
    verdict.className = "verdict";
    verdict.textContent = `${pair.chosen === pair.real ? "✓ Right" : "✗ Wrong"}. `;
    item.append(`${index + 1}. `, verdict, pairText(pair, this.info.composer));
    return item;
  }

  /** Adds links to the composed pieces, if the radio has the model that composed them. */
  private async addLinks({ model, bundle, answers }: TestResult): Promise<void> {
    const response = await fetch(new URL("api/models", document.baseURI));
    const { models } = (await response.json()) as ModelsInfo;
    if (!models.some((known) => known.name === model && known.bundle === bundle)) return;
    for (const [i, item] of [...element("answers").children].entries()) {
      const answer = answers[i];
      if (!answer) continue;
      const values = parameterValues((name) => (name === "tempo" ? answer.tempo : null));
      const shared = { model, bundle, runtime: null, ...answer, ...values, piece: 0, changes: [], instruments: [] };
      const link = document.createElement("a");
      link.href = new URL(toFragment(shared), new URL("./", document.baseURI)).href;
      link.textContent = "Hear it as a whole";
      link.setAttribute("aria-label", `Hear the composed piece of pair ${i + 1} as a whole`);
      item.append(" ", link);
    }
  }

  private showOnly(id: "intro" | "pair" | "result"): void {
    for (const name of ["intro", "pair", "result"]) element(name).hidden = name !== id;
    this.update();
  }

  private tick(): void {
    this.player.advance(document.hidden);
    for (const side of SIDES) {
      const isPlaying = this.pair !== null && this.player.current === this.pair[side];
      element(`bar-${side}`).style.transform = `scaleX(${isPlaying ? this.player.progress : 0})`;
    }
  }

  private update(): void {
    for (const side of SIDES) {
      const button = element(`play-${side}`);
      const isPlaying = this.pair !== null && this.player.current === this.pair[side];
      button.classList.toggle("playing", isPlaying);
      button.classList.toggle("waiting", isPlaying && !this.player.started);
      button.setAttribute("aria-label", `${isPlaying ? "Stop" : "Play"} ${side.toUpperCase()}`);
    }
    const heardBoth = this.heard.size === SIDES.length;
    const chosen = this.checked("pair", "chosen") !== null;
    element("answer", HTMLButtonElement).disabled = this.busy || !heardBoth || !chosen;
    element("stop", HTMLButtonElement).disabled = this.busy;
    element("begin", HTMLButtonElement).disabled = this.busy;
    const hint = element("answer-hint");
    const text = this.hintText(heardBoth, chosen);
    if (hint.textContent !== text) hint.textContent = text;
  }

  private hintText(heardBoth: boolean, chosen: boolean): string {
    if (this.player.current && !this.player.started) return `Loading the instruments: ${Math.round(this.audio.loaded * 100)}%`;
    if (!heardBoth) return "Listen to both first.";
    return chosen ? "" : `Choose A or B.`;
  }

  private checked(form: string, name: string): string | null {
    const value = new FormData(element(form, HTMLFormElement)).get(name);
    return typeof value === "string" ? value : null;
  }
}
