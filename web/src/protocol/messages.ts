/* What the server and this page say to each other (docs/radio-protocol.md), as types, and the check of every message that
   comes in: a page must not stumble over a server of another version without saying so.

   Knows nothing of sockets, of sound, or of the page. */

export type Knob = "temperature" | "tempo" | "length";

/** Piece, bar from which it holds, knob, value; null is the model's or the piece's own. */
export type Change = readonly [piece: number, bar: number, knob: Knob, value: number | null];

/** A symbol's name, its probability, and the runners-up with theirs. */
export type Choice = readonly [symbol: string, probability: number, others: readonly (readonly [string, number])[]];

export interface Voice {
  readonly name: string;
  readonly program: number;
  /** Then the program is a kit, and the listener's instrument is not for it. */
  readonly drums?: boolean;
}

export interface StreamMessage {
  readonly type: "stream";
  readonly kind: "own" | "station";
  readonly model: string;
  readonly bundle: string;
  readonly runtime: string;
  readonly seed: number;
  readonly bars: number;
  readonly temperature: number | null;
  readonly tempo: number | null;
  readonly changes: readonly Change[];
  readonly piece: number;
  readonly ahead: number;
  readonly fields: readonly string[];
}

export interface PieceMessage {
  readonly type: "piece";
  readonly piece: number;
  readonly seed: number;
  readonly bars: number;
  readonly at: number;
  readonly tempo: number;
  readonly voices: readonly Voice[];
}

export interface WireNote {
  readonly voice: number;
  readonly pitch: number;
  readonly velocity: number;
  readonly tick: number;
  readonly ticks: number;
  readonly at: number;
  readonly seconds: number;
  readonly chosen: readonly Choice[];
}

export interface HeldNote {
  readonly voice: number;
  readonly pitch: number;
  readonly tick: number;
  readonly ticks: number;
  readonly at: number;
  readonly seconds: number;
}

export interface BarMessage {
  readonly type: "bar";
  readonly piece: number;
  readonly bar: number;
  readonly at: number;
  readonly seconds: number;
  readonly tick: number;
  readonly ticks: number;
  readonly meter: readonly [number, number];
  readonly now: number;
  readonly last: boolean;
  readonly tempos: readonly (readonly [tick: number, at: number, qpm: number])[];
  readonly temperature: number;
  readonly notes: readonly WireNote[];
  readonly held: readonly HeldNote[];
}

export interface EndMessage {
  readonly type: "end";
  readonly piece: number;
  readonly at: number;
  readonly next: number;
}

export interface ChangeMessage {
  readonly type: "change";
  readonly change: Change;
}

export interface ErrorMessage {
  readonly type: "error";
  readonly reason: string;
}

export type ServerMessage = StreamMessage | PieceMessage | BarMessage | EndMessage | ChangeMessage | ErrorMessage;

export interface StartMessage {
  readonly type: "start";
  readonly model?: string;
  readonly runtime?: string;
  readonly seed?: number;
  readonly bars?: number;
  readonly temperature?: number;
  readonly tempo?: number;
  readonly changes?: readonly Change[];
  readonly piece?: number;
  readonly bar?: number;
}

export type ClientMessage =
  | StartMessage
  | { readonly type: "join" }
  | { readonly type: "set"; readonly temperature?: number | null; readonly tempo?: number | null }
  | { readonly type: "next" };

export interface ModelInfo {
  readonly name: string;
  readonly bundle: string;
  readonly runtimes: readonly string[];
  readonly voices: readonly Voice[];
  readonly fields: readonly string[];
  readonly temperature: number;
}

export interface ModelsInfo {
  readonly models: readonly ModelInfo[];
  readonly station: { readonly model: string } | null;
  readonly live: boolean;
}

export const LIMITS = {
  seed: 2 ** 53 - 1 - 10 ** 6, temperature: [0, 4], tempo: [20, 300], bars: [4, 32], changes: 200,
} as const;
