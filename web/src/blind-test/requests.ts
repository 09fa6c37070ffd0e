/* Asks the server of the listening test. A session survives a reload of the page, and an answer that is sent again because
   its response was lost changes nothing. */

import {
  pairShown,
  testInfo,
  testResult,
  type AnswerPair,
  type BeginTest,
  type ContinueTest,
  type PairShown,
  type TestInfo,
  type TestResult,
} from "../protocol/blind-test";
import { isObject, ProtocolError } from "../protocol/checks";
import { refusalReason } from "../protocol/reasons";

/** The server has refused a request; the message says why, as a sentence. */
export class Refused extends Error {}

export type Next = PairShown | TestResult;

export async function fetchInfo(): Promise<TestInfo> {
  const value = await respond(await fetch(url("")));
  testInfo(value, "the response");
  return value as TestInfo;
}

export const begin = (message: BeginTest): Promise<Next> => post("begin", message);
export const resume = (message: ContinueTest): Promise<Next> => post("resume", message);
export const answer = (message: AnswerPair): Promise<Next> => post("answer", message);
export const stop = (message: ContinueTest): Promise<Next> => post("stop", message);

async function post(path: string, message: object): Promise<Next> {
  const response = await fetch(url(`/${path}`), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(message),
  });
  return parseNext(await respond(response));
}

/** @throws ProtocolError if the response is malformed. */
export function parseNext(value: unknown): Next {
  if (!isObject(value)) throw new ProtocolError("the response is not an object");
  (value.type === "result" ? testResult : pairShown)(value, "the response");
  return value as unknown as Next;
}

async function respond(response: Response): Promise<unknown> {
  if (response.status === 400) throw new Refused(await refusalReason(response));
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return response.json();
}

function url(path: string): URL {
  return new URL(`api/blind-test${path}`, document.baseURI);
}
