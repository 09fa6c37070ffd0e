/* The end of the test in words. */

import type { RevealedPair, TestResult } from "../protocol/blind-test";

/** Such as "7 of 10 right". */
export function resultTitle({ right, answers }: TestResult): string {
  return answers.length === 0 ? "No pair was answered" : `${right} of ${answers.length} right`;
}

/** What chance would give. */
export function resultText({ right, answers, chance }: TestResult): string {
  const count = answers.length;
  if (count === 0) return "";
  const half = `Someone who only guesses has half of them right on average`;
  if (right === 0) return `${half}. A score this low says as much as a high one: you hear a difference.`;
  return `${half}, and ${right === count ? `all ${count}` : `${right} or more`} ${percent(chance)} of the time.`;
}

function percent(share: number): string {
  return share < 0.01 ? "less than 1%" : `${Math.round(share * 100)}%`;
}

/** What a pair was, such as "A was by Bach: BWV 10.7. B was composed, with the seed 5." */
export function pairText(pair: RevealedPair, composer: string): string {
  const [real, composed] = pair.real === "a" ? ["A", "B"] : ["B", "A"];
  return `${real} was by ${composer}: ${pair.piece.replaceAll(" ", "\u00a0")}. ${composed} was composed by the network, with the seed ${pair.seed}.`;
}
