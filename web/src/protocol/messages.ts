/* The messages between the server and this page, as types (docs/radio-protocol.md). */

export type Parameter = "temperature" | "tempo" | "length";

/** A parameter has this value from this bar on. Null is the default: of the model (temperature) or of the piece (tempo). */
export type ParameterChange = readonly [piece: number, bar: number, parameter: Parameter, value: number | null];

/** The name and the probability of the symbol that was sampled, and the most likely alternatives with theirs. */
export type Choice = readonly [symbol: string, probability: number, others: readonly (readonly [string, number])[]];

export interface Voice {
  readonly name: string;
  readonly program: number;
  /** If true, `program` is a drum kit, and the listener's instrument does not apply. */
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
  readonly changes: readonly ParameterChange[];
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

/** A note that begins in its bar. */
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

/** A note that began in an earlier bar of the piece and is still sounding. */
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
  readonly change: ParameterChange;
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
  readonly changes?: readonly ParameterChange[];
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
