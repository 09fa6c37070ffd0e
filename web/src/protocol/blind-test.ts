/* The messages of the listening test, as types, and checks of the server's ones. Unknown keys are allowed.
   Made by docs/make_protocol.py from src/playbach/server/blind_test_protocol.py: change that, and run the script. */

import { flag, list, number, object, oneOf, row, text, wholeNumber } from "./checks";

export const SKILLS = ["none", "plays", "studied", "professional"] as const;
export const MAX_SURENESS = 3;

/** Begins a session. */
export interface BeginTest {
  readonly skill: "none" | "plays" | "studied" | "professional";
}

/** Asks for the pair of a session that is not yet answered, or ends the session before its last pair. */
export interface ContinueTest {
  readonly session: string;
}

/** An answer. One that arrives a second time changes nothing. */
export interface AnswerPair {
  readonly session: string;
  /** As in the message that showed the pair. */
  readonly pair: number;
  /** Which excerpt is the real one. */
  readonly chosen: "a" | "b";
  /** 1: a guess, 2: fairly sure, 3: certain. */
  readonly sure?: number;
}

/** A voice of both excerpts of a pair. */
export type PairVoice = readonly [name: string, program: number, drums: boolean];

/** What the page says before the test begins. */
export interface TestInfo {
  readonly pairs: number;
  /** Of each excerpt. */
  readonly bars: number;
  /** Whose music the real excerpts are. */
  readonly composer: string;
  /** Whether answers are kept. */
  readonly kept: boolean;
  /** The instruments of all pairs, each once. */
  readonly voices: readonly PairVoice[];
}

/** A note of an excerpt. */
export type PairNote = readonly [voice: number, pitch: number, velocity: number, at: number, seconds: number];

/** The first bars of a piece, as they are performed. */
export interface Excerpt {
  readonly seconds: number;
  /** In the order of their times. */
  readonly notes: readonly PairNote[];
}

/** The next pair. Which excerpt is A was drawn for this session. */
export interface PairShown {
  readonly type: "pair";
  readonly session: string;
  /** 1 for the first pair of this session. */
  readonly pair: number;
  readonly pairs: number;
  readonly voices: readonly PairVoice[];
  readonly a: Excerpt;
  readonly b: Excerpt;
}

/** A pair that was answered, and what it was. */
export interface RevealedPair {
  readonly chosen: "a" | "b";
  /** Which excerpt was the real one. */
  readonly real: "a" | "b";
  /** The name of the real piece. */
  readonly piece: string;
  /** Of the composed piece. */
  readonly seed: number;
  /** Of the composed piece as a whole. */
  readonly bars: number;
  /** Of both pieces, in quarter notes a minute. */
  readonly tempo: number;
}

/** The end of a session. */
export interface TestResult {
  readonly type: "result";
  readonly right: number;
  /** Of the whole test; fewer may have been answered. */
  readonly pairs: number;
  /** The probability that someone who only guesses has at least as many right. */
  readonly chance: number;
  /** Whether the answers were kept. */
  readonly kept: boolean;
  /** That composed. */
  readonly model: string;
  /** The SHA-256 of the model. */
  readonly bundle: string;
  /** In the order in which they were given. */
  readonly answers: readonly RevealedPair[];
}

const pairVoice = row(text, wholeNumber, flag);

const testInfo = object({
  pairs: wholeNumber,
  bars: wholeNumber,
  composer: text,
  kept: flag,
  voices: list(pairVoice),
});

const pairNote = row(wholeNumber, wholeNumber, wholeNumber, number, number);

const excerpt = object({
  seconds: number,
  notes: list(pairNote),
});

const pairShown = object({
  session: text,
  pair: wholeNumber,
  pairs: wholeNumber,
  voices: list(pairVoice),
  a: excerpt,
  b: excerpt,
});

const revealedPair = object({
  chosen: oneOf(["a", "b"]),
  real: oneOf(["a", "b"]),
  piece: text,
  seed: wholeNumber,
  bars: wholeNumber,
  tempo: number,
});

const testResult = object({
  right: wholeNumber,
  pairs: wholeNumber,
  chance: number,
  kept: flag,
  model: text,
  bundle: text,
  answers: list(revealedPair),
});

export { testInfo, pairShown, revealedPair, testResult };
