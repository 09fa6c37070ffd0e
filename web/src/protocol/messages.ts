/* The messages between the server and this page, as types (docs/radio-protocol.md).
   Made by docs/make_protocol.py from src/playbach/server/protocol.py: change that, and run the script. */

/** The parameters of the music, and those whose values last, in later pieces too. */
export const PARAMETERS = ["temperature", "tempo", "length"] as const;
export const LASTING_PARAMETERS = ["temperature", "tempo"] as const;
export type Parameter = (typeof PARAMETERS)[number];
export type LastingParameter = (typeof LASTING_PARAMETERS)[number];

/** What the server accepts: the range of a number, or the most characters or entries. */
export const LIMITS = {
  piece: [0, 999_999],
  bar: [0, 32],
  model: 200,
  runtime: 200,
  seed: [0, 9_007_199_253_740_991],
  bars: [4, 32],
  temperature: [0, 4],
  tempo: [20, 300],
  changes: 200,
  length: [1, 32],
} as const;
export const DEFAULT_BARS = 16;
/** The name of the engine in the page, among the runtimes of a model. */
export const WEB_RUNTIME = "web";

/** A parameter has this value from this bar on. */
export type ChangeRow = readonly [piece: number, bar: number, parameter: Parameter, value: number | null];

/** The answer to `start` or `join`: the values that the stream started with. */
export interface StreamMessage {
  readonly type: "stream";
  readonly kind: "own" | "station";
  readonly model: string;
  /** The SHA-256 of the model. */
  readonly bundle: string;
  readonly runtime: string;
  /** Of the first piece. */
  readonly seed: number;
  /** Bars of each piece. */
  readonly bars: number;
  /** Randomness; null: the model's. */
  readonly temperature: number | null;
  /** Quarter notes per minute; null: each piece's own. */
  readonly tempo: number | null;
  /** Those of `start`. */
  readonly changes: readonly ChangeRow[];
  /** The first piece that is sent. */
  readonly piece: number;
  /** Bars are sent this long before they begin, in seconds. */
  readonly ahead: number;
  /** The fields of a step; in each, the network chooses a symbol. */
  readonly fields: readonly string[];
}

/** A voice of a piece. */
export interface Voice {
  readonly name: string;
  /** Of General MIDI, 0 to 127. */
  readonly program: number;
  /** If true, `program` is a drum kit, and the listener's instrument does not apply. */
  readonly drums: boolean;
}

/** A piece; sent before its first bar, and to a listener who joins during the piece. */
export interface PieceMessage {
  readonly type: "piece";
  readonly piece: number;
  readonly seed: number;
  readonly bars: number;
  readonly at: number;
  /** The piece's own, in quarter notes a minute. */
  readonly tempo: number;
  readonly voices: readonly Voice[];
  /** Whether the network composed the dynamics. */
  readonly velocities: boolean;
}

/** A meter, such as [4, 4]. */
export type MeterRow = readonly [numerator: number, denominator: number];

/** A tempo, in force from this tick on. */
export type TempoRow = readonly [tick: number, at: number, qpm: number];

/** A symbol that could have been chosen. */
export type OtherRow = readonly [symbol: string, probability: number];

/** The symbol that the network chose in one field of a step. */
export type ChoiceRow = readonly [symbol: string, probability: number, others: readonly OtherRow[]];

/** A note that begins in its bar. */
export interface WireNote {
  /** An index into the piece's `voices`. */
  readonly voice: number;
  readonly pitch: number;
  readonly velocity: number;
  readonly tick: number;
  readonly ticks: number;
  readonly at: number;
  readonly seconds: number;
  /** The choice in each of the stream's `fields`; may be empty. */
  readonly chosen: readonly ChoiceRow[];
}

/** A note that began in an earlier bar of the piece and still sounds. */
export interface HeldNote {
  readonly voice: number;
  readonly pitch: number;
  readonly tick: number;
  readonly ticks: number;
  readonly at: number;
  readonly seconds: number;
}

/** A bar. It replaces everything from there on. */
export interface BarMessage {
  readonly type: "bar";
  readonly piece: number;
  readonly bar: number;
  readonly at: number;
  /** Its length; the last bar reaches to the end of the piece. */
  readonly seconds: number;
  readonly tick: number;
  readonly ticks: number;
  readonly meter: MeterRow;
  /** Whether the piece ends with this bar. */
  readonly last: boolean;
  /** The first is in force at the beginning of the bar. */
  readonly tempos: readonly TempoRow[];
  /** At which this bar was composed. */
  readonly temperature: number;
  /** The notes that begin in this bar, in the order of their ticks. */
  readonly notes: readonly WireNote[];
  /** Notes of earlier bars that still sound when this bar begins, with the end that they now have. */
  readonly held: readonly HeldNote[];
  /** The stream's time at which the server sent the bar. */
  readonly now: number;
}

/** The end of a piece; sent after its last bar. */
export interface EndMessage {
  readonly type: "end";
  readonly piece: number;
  /** When the last note ends. */
  readonly at: number;
  /** When the next piece begins. */
  readonly next: number;
}

/** A change; sent before the bars that it affects. */
export interface ChangeMessage {
  readonly type: "change";
  readonly change: ChangeRow;
}

/** Why the server closes the connection, or refuses a request over HTTP. */
export interface ErrorMessage {
  readonly type: "error";
  readonly reason: string;
}

export type ServerMessage = StreamMessage | PieceMessage | BarMessage | EndMessage | ChangeMessage | ErrorMessage;

/** Requests a private stream. */
export interface StartMessage {
  readonly type: "start";
  /** A name from `api/models`; default: the first. */
  readonly model?: string;
  /** A name from that model's `runtimes`; default: the first. */
  readonly runtime?: string;
  /** Of the first piece; default: the server draws one. */
  readonly seed?: number;
  /** Bars of each piece; default: 16. */
  readonly bars?: number;
  /** Randomness; default: the model's. */
  readonly temperature?: number;
  /** Quarter notes per minute; default: each piece's own. */
  readonly tempo?: number;
  /** Changes as the server sent them, in the same order. */
  readonly changes?: readonly ChangeRow[];
  /** Where to begin, to continue after a pause or a lost connection; default: 0. */
  readonly piece?: number;
  /** Of that piece; 0 means its first bar; default: 0. */
  readonly bar?: number;
}

/** Requests the shared station. */
export interface JoinMessage {
  readonly type: "join";
}

/** Changes one value or more, in private streams only. */
export interface SetMessage {
  readonly type: "set";
  /** Randomness; null: the model's; left out: no change. */
  readonly temperature?: number | null;
  /** Quarter notes per minute; null: each piece's own; left out: no change. */
  readonly tempo?: number | null;
}

/** Ends this piece with a cadence in a few bars, then starts the next one; in private streams only. */
export interface NextMessage {
  readonly type: "next";
}

export type ClientMessage = StartMessage | JoinMessage | SetMessage | NextMessage;

/** What the page needs to compose by itself: addresses relative to the page. */
export interface EngineFiles {
  /** Of the engine, a WebAssembly module. */
  readonly code: string;
  /** Of the model's file. */
  readonly model: string;
}

/** A model that listeners can choose. */
export interface ModelInfo {
  readonly name: string;
  /** The SHA-256 of the model. */
  readonly bundle: string;
  /** The first is the default. */
  readonly runtimes: readonly string[];
  readonly voices: readonly Voice[];
  /** The fields of a step. */
  readonly fields: readonly string[];
  /** The default. */
  readonly temperature: number;
  readonly top_p: number;
  /** The number of the network's weights. */
  readonly parameters: number | null;
  /** Null: the page cannot compose with this model by itself. */
  readonly engine: EngineFiles | null;
}

/** The shared station. */
export interface StationInfo {
  readonly model: string;
  /** Randomness; null: the model's. */
  readonly temperature: number | null;
  /** Quarter notes per minute; null: each piece's own. */
  readonly tempo: number | null;
}

/** What a page needs to know of its server. */
export interface ModelsInfo {
  /** The first is the default. */
  readonly models: readonly ModelInfo[];
  readonly station: StationInfo | null;
  /** Whether there is `live.mp3`. */
  readonly live: boolean;
  /** Whether there is `blind-test.html`. */
  readonly blind_test: boolean;
  /** The name of the file. */
  readonly soundfont: string;
}

/** What one voice can sing. */
export interface TuneRange {
  readonly voice: string;
  /** A pitch. */
  readonly low: number;
  readonly high: number;
}

/** A format that this server cannot write. */
export interface MissingFormat {
  readonly format: string;
  readonly reason: string;
}

/** What a page needs to know before it asks for settings. */
export interface HarmoniseInfo {
  /** The first that composes four voices. */
  readonly model: string;
  readonly ranges: readonly TuneRange[];
  readonly formats: readonly string[];
  readonly missing: readonly MissingFormat[];
  /** The most notes of a tune. */
  readonly notes: number;
  /** The most bars of a tune. */
  readonly bars: number;
  /** The largest file that `api/tune` reads. */
  readonly file_bytes: number;
}

/** A note of a tune. */
export type TuneNote = readonly [tick: number, ticks: number, pitch: number];

/** The meter of a tune, such as [3, 4]. */
export type TuneMeter = readonly [numerator: number, denominator: number];

/** A single line of music; the answer to `api/tune`, and part of a request for a setting. */
export interface Tune {
  /** In the order of their ticks, 480 to a quarter note; one at a time. */
  readonly notes: readonly TuneNote[];
  readonly meter: TuneMeter;
  /** The length of the pickup in ticks; 0: the tune begins with a full bar; default: 0. */
  readonly pickup?: number;
  /** The key signature: the number of sharps, or if negative that of flats; default: 0. */
  readonly fifths?: number;
  /** Whether the key is minor; default: false. */
  readonly minor?: boolean;
  /** Quarter notes a minute; default: 80.0. */
  readonly tempo?: number;
  /** The ticks of the notes with a fermata. Phrases end there; without any, they end at long notes and rests. */
  readonly fermatas?: readonly number[];
  /** Of the file, without its suffix. */
  readonly title?: string;
  /** What a reader of the file should know; a request's are ignored. */
  readonly remarks?: readonly string[];
}

/** Requests a setting of a tune for four voices. */
export interface HarmoniseRequest {
  readonly tune: Tune;
  /** The voice that sings the tune; default: soprano. */
  readonly voice?: "soprano" | "alto" | "tenor" | "bass";
  /** A name from `api/models`; default: the first that composes four voices. */
  readonly model?: string;
  /** Default: the server draws one. */
  readonly seed?: number;
  /** Randomness; default: the model's. */
  readonly temperature?: number;
  /** Whether parallel fifths and octaves are forbidden, and phrases end with triads; default: true. */
  readonly rules?: boolean;
  /** How many drafts are composed side by side; default: 16. */
  readonly drafts?: number;
  /** Answer with a file: the setting, or the `tune` alone as MIDI; default: with JSON. */
  readonly format?: "midi" | "musicxml" | "pdf" | "tune";
}

/** A note of a setting. */
export type SettingNote = readonly [voice: number, pitch: number, tick: number, ticks: number];

/** A setting of a tune for four voices; the answer to `api/harmonise`. */
export interface Setting {
  readonly model: string;
  /** The SHA-256 of the model. */
  readonly bundle: string;
  readonly seed: number;
  readonly voices: readonly Voice[];
  /** In the order of their ticks, 480 to a quarter note. */
  readonly notes: readonly SettingNote[];
  readonly meter: MeterRow;
  /** The length of the pickup in ticks. */
  readonly pickup: number;
  /** The key signature, after the tune was moved. */
  readonly fifths: number;
  readonly minor: boolean;
  /** Quarter notes a minute. */
  readonly tempo: number;
  /** By how many semitones the tune was moved, so that its voice can sing it. */
  readonly moved: number;
  /** What one should know of it: one line says how the tune was moved. */
  readonly remarks: readonly string[];
  /** The command that makes it again from the tune as MIDI. */
  readonly command: string;
}

/** Begins a duet, with the first note of the player. */
export interface DuetBegin {
  readonly type: "begin";
  /** A name from `api/models`; default: the first that composes four voices. */
  readonly model?: string;
  /** Default: the server draws one. */
  readonly seed?: number;
  /** Randomness; default: the model's. */
  readonly temperature?: number;
  readonly meter: TuneMeter;
  /** The length of a step in sixteenths; default: 2. */
  readonly grid?: number;
  /** From the first step to the next bar line, in sixteenths; 0: the first step is at one; default: 0. */
  readonly pickup?: number;
}

/** What the player does at the next step of the grid. Every step is sent, in order; one that was sent as `hold` or `rest` may be sent once again as a `note`, if the player was late. */
export interface DuetStep {
  readonly type: "step";
  /** Counts from 0. */
  readonly step: number;
  readonly plays: "note" | "hold" | "rest";
  /** Of a `note`. */
  readonly pitch?: number;
}

/** The answer to `begin`. */
export interface DuetReady {
  readonly type: "ready";
  readonly model: string;
  readonly seed: number;
  readonly voices: readonly Voice[];
}

/** What a voice does at a step. */
export type DuetPart = readonly [voice: number, pitch: number | null];

/** The answer to `step`: what the other voices do at it. After a step that was sent again, it replaces the first answer. */
export interface DuetAnswer {
  readonly type: "answer";
  readonly step: number;
  /** Those voices that begin a note or fall silent. */
  readonly parts: readonly DuetPart[];
  /** The player's pitch as the network heard it: moved by octaves into the range of the voice; null: no note. */
  readonly heard: number | null;
  /** How long the network took. */
  readonly seconds: number;
}
