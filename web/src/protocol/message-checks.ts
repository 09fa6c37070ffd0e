/* What each message of the server consists of. Unknown keys are allowed.
   Made by docs/make_protocol.py from src/playbach/server/protocol.py: change that, and run the script. */

import { flag, list, number, object, oneOf, orNull, row, text, wholeNumber, type Check } from "./checks";
import { PARAMETERS, type ServerMessage } from "./messages";

const changeRow = row(wholeNumber, wholeNumber, oneOf(PARAMETERS), orNull(number));

const voice = object({
  name: text,
  program: wholeNumber,
  drums: flag,
});

const meterRow = row(wholeNumber, wholeNumber);

const tempoRow = row(wholeNumber, number, number);

const otherRow = row(text, number);

const choiceRow = row(text, number, list(otherRow));

const wireNote = object({
  voice: wholeNumber,
  pitch: wholeNumber,
  velocity: wholeNumber,
  tick: wholeNumber,
  ticks: wholeNumber,
  at: number,
  seconds: number,
  chosen: list(choiceRow),
});

const heldNote = object({
  voice: wholeNumber,
  pitch: wholeNumber,
  tick: wholeNumber,
  ticks: wholeNumber,
  at: number,
  seconds: number,
});

const duetPart = row(wholeNumber, orNull(wholeNumber));

const tuneNote = row(wholeNumber, wholeNumber, wholeNumber);

const tuneMeter = row(wholeNumber, wholeNumber);

const tuneRange = object({
  voice: text,
  low: wholeNumber,
  high: wholeNumber,
});

const missingFormat = object({
  format: text,
  reason: text,
});

const settingNote = row(wholeNumber, wholeNumber, wholeNumber, wholeNumber);

/** Checks the values of each message of the server, by its type. */
export const MESSAGE_CHECKS: Record<ServerMessage["type"], Check> = {
  stream: object({
    kind: oneOf(["own", "station"]),
    model: text,
    bundle: text,
    runtime: text,
    seed: wholeNumber,
    bars: wholeNumber,
    temperature: orNull(number),
    tempo: orNull(number),
    changes: list(changeRow),
    piece: wholeNumber,
    ahead: number,
    fields: list(text),
  }),
  piece: object({
    piece: wholeNumber,
    seed: wholeNumber,
    bars: wholeNumber,
    at: number,
    tempo: number,
    voices: list(voice),
    velocities: flag,
  }),
  bar: object({
    piece: wholeNumber,
    bar: wholeNumber,
    at: number,
    seconds: number,
    tick: wholeNumber,
    ticks: wholeNumber,
    meter: meterRow,
    last: flag,
    tempos: list(tempoRow),
    temperature: number,
    notes: list(wireNote),
    held: list(heldNote),
    now: number,
  }),
  end: object({
    piece: wholeNumber,
    at: number,
    next: number,
  }),
  change: object({
    change: changeRow,
  }),
  error: object({
    reason: text,
  }),
};

/** Checks the messages of a duet. */
export const DUET_CHECKS: Record<string, Check> = {
  ready: object({
    model: text,
    seed: wholeNumber,
    voices: list(voice),
  }),
  answer: object({
    step: wholeNumber,
    parts: list(duetPart),
    heard: orNull(wholeNumber),
    seconds: number,
  }),
  error: object({
    reason: text,
  }),
};

/** Checks the answers of other addresses. */
export const ANSWER_CHECKS = {
  tune: object({
    notes: list(tuneNote),
    meter: tuneMeter,
    pickup: wholeNumber,
    fifths: wholeNumber,
    minor: flag,
    tempo: number,
    fermatas: list(wholeNumber),
    title: text,
    remarks: list(text),
  }),
  harmoniseInfo: object({
    model: text,
    ranges: list(tuneRange),
    formats: list(text),
    missing: list(missingFormat),
    notes: wholeNumber,
    bars: wholeNumber,
    file_bytes: wholeNumber,
  }),
  setting: object({
    model: text,
    bundle: text,
    seed: wholeNumber,
    voices: list(voice),
    notes: list(settingNote),
    meter: meterRow,
    pickup: wholeNumber,
    fifths: wholeNumber,
    minor: flag,
    tempo: number,
    moved: wholeNumber,
    remarks: list(text),
    command: text,
  }),
};
