/* A MIDI keyboard, where the browser has Web MIDI: notes as they are played. */

export interface Keys {
  /** `time` is in milliseconds, on the clock of performance.now(). */
  onNote(pitch: number, velocity: number, time: number): void;
  onRelease(pitch: number, time: number): void;
}

const NOTE_OFF = 0x80;
const NOTE_ON = 0x90;

/** Why the browser has no MIDI, as a sentence; empty if it has. */
export function midiMissing(): string {
  if ("requestMIDIAccess" in navigator) return "";
  if (!window.isSecureContext) {
    return "Browsers let a page hear a MIDI keyboard only on https or on localhost, and this page is on plain http.";
  }
  return "This browser has no Web MIDI, as Safari has none: use Chrome, Edge or Firefox for a MIDI keyboard.";
}

/** Hears all MIDI keyboards, also those that are connected later.
 *  @returns their names; `onNames` is called when they change.
 *  @throws Error with a sentence for the player. */
export async function hearMidi(keys: Keys, onNames: (names: readonly string[]) => void): Promise<void> {
  const missing = midiMissing();
  if (missing) throw new Error(missing);
  let access: MIDIAccess;
  try {
    access = await navigator.requestMIDIAccess();
  } catch {
    throw new Error("The browser was not allowed to use MIDI. Allow it in the page's settings, and try again.");
  }
  const listen = (): void => {
    const inputs = [...access.inputs.values()].filter((input) => input.state === "connected");
    for (const input of inputs) input.onmidimessage = (event) => hear(event, keys);
    onNames(inputs.map((input) => input.name ?? "a keyboard"));
  };
  access.onstatechange = listen;
  listen();
}

function hear(event: MIDIMessageEvent, keys: Keys): void {
  const [status = 0, pitch = 0, velocity = 0] = event.data ?? [];
  const kind = status & 0xf0;
  if (kind === NOTE_ON && velocity > 0) keys.onNote(pitch, velocity, event.timeStamp);
  else if (kind === NOTE_OFF || kind === NOTE_ON) keys.onRelease(pitch, event.timeStamp);
}
