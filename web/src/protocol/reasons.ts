/* The server's reasons, as sentences for people. */

import { isObject } from "./checks";

/** Why the server refused a request: its message `error`, or the status if somebody else answered, such as a proxy. */
export async function refusalReason(response: Response): Promise<string> {
  const message: unknown = await response.json().catch(() => null);
  if (isObject(message) && typeof message.reason === "string" && message.reason) return sentence(message.reason);
  return `The server answered with an error (HTTP ${response.status}).`;
}

/** With a capital letter and a full stop. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;
}
