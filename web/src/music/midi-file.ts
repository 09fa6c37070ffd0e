/* Writes a standard MIDI file of format 1: a first track with the tempos, the meters and a marker, then one track for each
   voice with its name, its instrument and its notes. Times are in ticks. */

export interface FileNote {
  readonly tick: number;
  readonly duration: number;
  readonly pitch: number;
  readonly velocity: number;
}

export interface FileTrack {
  readonly name: string;
  readonly program: number;
  readonly channel: number;
  readonly notes: readonly FileNote[];
}

export interface MidiFile {
  readonly ticksPerQuarter: number;
  readonly tempos: readonly { readonly tick: number; readonly qpm: number }[];
  readonly meters: readonly { readonly tick: number; readonly numerator: number; readonly denominator: number }[];
  readonly marker: string;
  readonly tracks: readonly FileTrack[];
}

/** The order of messages at the same tick: a note must end before the same pitch begins again. */
const enum Order {
  Meta,
  Program,
  Off,
  On,
}

interface Message {
  readonly tick: number;
  readonly order: Order;
  readonly bytes: readonly number[];
}

const DRUM_CHANNEL = 9;
const SLOWEST_TEMPO = 0xffffff; // microseconds per quarter note: the most that three bytes hold

export function writeMidi(file: MidiFile): Uint8Array<ArrayBuffer> {
  const tracks = [conductorTrack(file), ...file.tracks.map(voiceTrack)];
  const header = [...ascii("MThd"), ...int(6, 4), ...int(1, 2), ...int(tracks.length, 2), ...int(file.ticksPerQuarter, 2)];
  return Uint8Array.from([...header, ...tracks.flat()]);
}

/** The MIDI channel of a track. General MIDI reserves one channel for drums. */
export function midiChannel(track: number, drums = false): number {
  if (drums) return DRUM_CHANNEL;
  const channel = track % 15;
  return channel < DRUM_CHANNEL ? channel : channel + 1;
}

function conductorTrack(file: MidiFile): number[] {
  const messages: Message[] = [meta(0, 0x06, utf8(file.marker))];
  for (const { tick, numerator, denominator } of file.meters) {
    messages.push(meta(tick, 0x58, [numerator, Math.round(Math.log2(denominator)), 24, 8]));
  }
  for (const { tick, qpm } of file.tempos) {
    messages.push(meta(tick, 0x51, int(Math.min(Math.round(60e6 / qpm), SLOWEST_TEMPO), 3)));
  }
  return chunk(messages);
}

function voiceTrack(track: FileTrack): number[] {
  const { channel } = track;
  const messages: Message[] = [meta(0, 0x03, utf8(track.name))];
  messages.push({ tick: 0, order: Order.Program, bytes: [0xc0 | channel, track.program & 127] });
  for (const note of track.notes) {
    const end = note.tick + Math.max(1, note.duration);
    messages.push({ tick: note.tick, order: Order.On, bytes: [0x90 | channel, note.pitch & 127, note.velocity & 127] });
    messages.push({ tick: end, order: Order.Off, bytes: [0x80 | channel, note.pitch & 127, 0] });
  }
  return chunk(messages);
}

function chunk(messages: Message[]): number[] {
  const body: number[] = [];
  let previous = 0;
  for (const message of messages.sort((a, b) => a.tick - b.tick || a.order - b.order)) {
    body.push(...variableLength(message.tick - previous), ...message.bytes);
    previous = message.tick;
  }
  body.push(0, 0xff, 0x2f, 0);
  return [...ascii("MTrk"), ...int(body.length, 4), ...body];
}

/** A meta event. */
function meta(tick: number, type: number, data: readonly number[]): Message {
  return { tick, order: Order.Meta, bytes: [0xff, type, ...variableLength(data.length), ...data] };
}

/** A number in bytes of seven bits each, with the high bit set in all but the last. */
function variableLength(value: number): number[] {
  const bytes = [value & 127];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift(128 | (rest & 127));
  return bytes;
}

/** A big-endian integer of so many bytes. */
function int(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** (bytes - 1 - i)) & 255);
}

function ascii(text: string): number[] {
  return Array.from(text, (letter) => letter.charCodeAt(0));
}

function utf8(text: string): number[] {
  return Array.from(new TextEncoder().encode(text));
}
