"""The radio's protocol: every message between server and player, with each key's type, range and meaning.

This is the only place where they stand. The server checks and writes messages by these classes (schema.py), and
`python docs/make_protocol.py` makes from them the types and the checks of the page, and the tables in
docs/radio-protocol.md. The text below a key is its meaning in both. A key with a default may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar, NamedTuple

from playbach.server.schema import (
    AtMost,
    MessageKey,
    MessageRejected,
    NullableShape,
    NumberShape,
    OneOf,
    Presence,
    SpreadKeys,
    Within,
)
from playbach.streaming.settings import (
    LASTING_PARAMETERS,
    MAX_PIECE_BARS,
    MAX_PIECES,
    MAX_SEED,
    MIN_PIECE_BARS,
    PARAMETERS,
    ProgrammeChange,
    ProgrammeSettings,
)

MAX_MESSAGE_BYTES = 16_384
"""Of a client's message."""
WEB_RUNTIME = "web"
"""The name of the engine in the page, among the runtimes of a model. The server has no such runtime."""
MAX_CHANGES = 200
MAX_NAME_LENGTH = 200
DEFAULT_BARS = ProgrammeSettings(0).bars

Name = Annotated[str, AtMost(MAX_NAME_LENGTH)]
Seed = Annotated[int, Within(0, MAX_SEED)]
BarCount = Annotated[int, Within(MIN_PIECE_BARS, MAX_PIECE_BARS)]
PieceNumber = Annotated[int, Within(0, MAX_PIECES - 1)]
BarNumber = Annotated[int, Within(0, MAX_PIECE_BARS)]
ParameterName = Annotated[str, OneOf(tuple(PARAMETERS))]


def _parameter_keys(default: object, meaning: str) -> SpreadKeys:
    """A key for each lasting parameter."""
    keys = []
    for name in LASTING_PARAMETERS:
        parameter = PARAMETERS[name]
        number = NumberShape(parameter.whole, Within(parameter.low, parameter.high))
        shape = number if default is None else NullableShape(number)
        keys.append(MessageKey(name, shape, default, meaning.format(parameter=parameter)))
    return SpreadKeys(tuple(keys))


FirstValues = Annotated[
    Mapping[str, float | None], _parameter_keys(None, "{parameter.meaning}; default: {parameter.default}")
]
"""The value of each lasting parameter, None if it is left out."""
NewValues = Annotated[
    Mapping[str, float | None],
    _parameter_keys(Presence.OPTIONAL, "{parameter.meaning}; null: {parameter.default}; left out: no change"),
]
"""The values of those lasting parameters that change."""
GivenValues = Annotated[
    Mapping[str, float | None],
    _parameter_keys(Presence.REQUIRED, "{parameter.meaning}; null: {parameter.default}"),
]
"""The value of each lasting parameter."""


class ChangeRow(NamedTuple):
    """A parameter has this value from this bar on."""

    piece: PieceNumber
    bar: BarNumber
    parameter: ParameterName
    """`length` is the number of bars that the piece has after `next`."""
    value: float | None
    """Null: the default of the model or of the piece."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMessage:
    """Requests a private stream."""

    type: ClassVar[str] = "start"
    model: Name | None = None
    """A name from `api/models`; default: the first."""
    runtime: Name | None = None
    """A name from that model's `runtimes`; default: the first."""
    seed: Seed | None = None
    """Of the first piece; default: the server draws one."""
    bars: BarCount = DEFAULT_BARS
    """Bars of each piece."""
    values: FirstValues
    changes: Annotated[tuple[ChangeRow, ...], AtMost(MAX_CHANGES)] = ()
    """Changes as the server sent them, in the same order."""
    piece: PieceNumber = 0
    """Where to begin, to continue after a pause or a lost connection."""
    bar: BarNumber = 0
    """Of that piece; 0 means its first bar."""

    def __post_init__(self) -> None:
        """Raises UsageError if a change has a value out of range, MessageRejected if the changes are out of order."""
        if any(after[:2] < before[:2] for before, after in pairwise(self.changes)):
            raise MessageRejected("changes must be in the order of their bars")
        self.programme_changes()

    def settings(self, seed: int) -> ProgrammeSettings:
        """The stream's settings; `seed` is used if the message has none."""
        return ProgrammeSettings(seed if self.seed is None else self.seed, self.bars, **self.values)

    def programme_changes(self) -> tuple[ProgrammeChange, ...]:
        return tuple(ProgrammeChange(*change) for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinMessage:
    """Requests the shared station."""

    type: ClassVar[str] = "join"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMessage:
    """Changes one value or more, in private streams only."""

    type: ClassVar[str] = "set"
    values: NewValues

    def __post_init__(self) -> None:
        if not self.values:
            raise MessageRejected(f"set needs a {' or a '.join(LASTING_PARAMETERS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NextMessage:
    """Ends this piece with a cadence in a few bars, then starts the next one; in private streams only."""

    type: ClassVar[str] = "next"


ClientMessage = StartMessage | JoinMessage | SetMessage | NextMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamMessage:
    """The answer to `start` or `join`: the values that the stream started with."""

    type: ClassVar[str] = "stream"
    kind: Annotated[str, OneOf(("own", "station"))]
    model: str
    bundle: str
    """The SHA-256 of the model."""
    runtime: str
    seed: Seed
    """Of the first piece."""
    bars: BarCount
    """Bars of each piece."""
    values: GivenValues
    changes: tuple[ChangeRow, ...]
    """Those of `start`."""
    piece: int
    """The first piece that is sent."""
    ahead: float
    """Bars are sent this long before they begin, in seconds."""
    fields: tuple[str, ...]
    """The fields of a step; in each, the network chooses a symbol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """A voice of a piece."""

    name: str
    program: int
    """Of General MIDI, 0 to 127."""
    drums: bool
    """If true, `program` is a drum kit, and the listener's instrument does not apply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceMessage:
    """A piece; sent before its first bar, and to a listener who joins during the piece."""

    type: ClassVar[str] = "piece"
    piece: int
    seed: int
    bars: int
    at: float
    tempo: float
    """The piece's own, in quarter notes a minute."""
    voices: tuple[Voice, ...]
    velocities: bool
    """Whether the network composed the dynamics."""


class OtherRow(NamedTuple):
    """A symbol that could have been chosen."""

    symbol: str
    probability: float


class ChoiceRow(NamedTuple):
    """The symbol that the network chose in one field of a step."""

    symbol: str
    """Its name."""
    probability: float
    """0 to 1, at temperature 1."""
    others: tuple[OtherRow, ...]
    """Up to three alternatives, the most likely first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireNote:
    """A note that begins in its bar."""

    voice: int
    """An index into the piece's `voices`."""
    pitch: int
    velocity: int
    tick: int
    ticks: int
    at: float
    seconds: float
    chosen: tuple[ChoiceRow, ...]
    """The choice in each of the stream's `fields`; may be empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldNote:
    """A note that began in an earlier bar of the piece and still sounds."""

    voice: int
    pitch: int
    tick: int
    ticks: int
    at: float
    seconds: float


class MeterRow(NamedTuple):
    """A meter, such as [4, 4]."""

    numerator: int
    denominator: int


class TempoRow(NamedTuple):
    """A tempo, in force from this tick on."""

    tick: int
    at: float
    qpm: float
    """Quarter notes a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BarMessage:
    """A bar. It replaces everything from there on."""

    type: ClassVar[str] = "bar"
    piece: int
    bar: int
    at: float
    seconds: float
    """Its length; the last bar reaches to the end of the piece."""
    tick: int
    ticks: int
    meter: MeterRow
    last: bool
    """Whether the piece ends with this bar."""
    tempos: tuple[TempoRow, ...]
    """The first is in force at the beginning of the bar."""
    temperature: float
    """At which this bar was composed."""
    notes: tuple[WireNote, ...]
    """The notes that begin in this bar, in the order of their ticks."""
    held: tuple[HeldNote, ...]
    """Notes of earlier bars that still sound when this bar begins, with the end that they now have."""
    now: float
    """The stream's time at which the server sent the bar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndMessage:
    """The end of a piece; sent after its last bar."""

    type: ClassVar[str] = "end"
    piece: int
    at: float
    """When the last note ends."""
    next: float
    """When the next piece begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeMessage:
    """A change; sent before the bars that it affects."""

    type: ClassVar[str] = "change"
    change: ChangeRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorMessage:
    """Why the server closes the connection, or refuses a request over HTTP."""

    type: ClassVar[str] = "error"
    reason: str


ServerMessage = StreamMessage | PieceMessage | BarMessage | EndMessage | ChangeMessage | ErrorMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFiles:
    """What the page needs to compose by itself: addresses relative to the page."""

    code: str
    """Of the engine, a WebAssembly module."""
    model: str
    """Of the model's file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """A model that listeners can choose."""

    name: str
    bundle: str
    """The SHA-256 of the model."""
    runtimes: tuple[str, ...]
    """The first is the default."""
    voices: tuple[Voice, ...]
    fields: tuple[str, ...]
    """The fields of a step."""
    temperature: float
    """The default."""
    top_p: float
    parameters: int | None
    """The number of the network's weights."""
    engine: EngineFiles | None
    """Null: the page cannot compose with this model by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StationInfo:
    """The shared station."""

    model: str
    values: GivenValues


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsInfo:
    """What a page needs to know of its server."""

    models: tuple[ModelInfo, ...]
    """The first is the default."""
    station: StationInfo | None
    live: bool
    """Whether there is `live.mp3`."""
    blind_test: bool
    """Whether there is `blind-test.html`."""
    soundfont: str
    """The name of the file."""


MAX_TUNE_NOTES = 600
MAX_TUNE_BARS = 64
MAX_TUNE_TICKS = MAX_TUNE_BARS * 4 * 480
MAX_TUNE_DRAFTS = 32
TUNE_VOICES = ("soprano", "alto", "tenor", "bass")
SETTING_FORMATS = ("midi", "musicxml", "pdf", "tune")
TUNE_TEMPOS = (20, 300)
DUET_GRIDS = (1, 4)
"""The shortest and the longest step of a duet, in sixteenths."""

Tick = Annotated[int, Within(0, MAX_TUNE_TICKS)]
MidiPitch = Annotated[int, Within(0, 127)]
TuneTempo = Annotated[float, Within(*TUNE_TEMPOS)]
Temperature = Annotated[float, Within(0, 4)]
VoiceName = Annotated[str, OneOf(TUNE_VOICES)]


class TuneNote(NamedTuple):
    """A note of a tune."""

    tick: Tick
    ticks: Annotated[int, Within(1, MAX_TUNE_TICKS)]
    pitch: MidiPitch


class TuneMeter(NamedTuple):
    """The meter of a tune, such as [3, 4]."""

    numerator: Annotated[int, Within(1, 16)]
    denominator: Annotated[int, Within(1, 16)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tune:
    """A single line of music; the answer to `api/tune`, and part of a request for a setting."""

    notes: Annotated[tuple[TuneNote, ...], AtMost(MAX_TUNE_NOTES)]
    """In the order of their ticks, 480 to a quarter note; one at a time."""
    meter: TuneMeter
    pickup: Tick = 0
    """The length of the pickup in ticks; 0: the tune begins with a full bar."""
    fifths: Annotated[int, Within(-7, 7)] = 0
    """The key signature: the number of sharps, or if negative that of flats."""
    minor: bool = False
    """Whether the key is minor."""
    tempo: TuneTempo = 80.0
    """Quarter notes a minute."""
    fermatas: Annotated[tuple[Tick, ...], AtMost(MAX_TUNE_NOTES)] = ()
    """The ticks of the notes with a fermata. Phrases end there; without any, they end at long notes and rests."""
    title: Name = ""
    """Of the file, without its suffix."""
    remarks: tuple[str, ...] = ()
    """What a reader of the file should know; a request's are ignored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmoniseRequest:
    """Requests a setting of a tune for four voices."""

    tune: Tune
    voice: VoiceName = "soprano"
    """The voice that sings the tune."""
    model: Name | None = None
    """A name from `api/models`; default: the first that composes four voices."""
    seed: Seed | None = None
    """Default: the server draws one."""
    temperature: Temperature | None = None
    """Randomness; default: the model's."""
    rules: bool = True
    """Whether parallel fifths and octaves are forbidden, and phrases end with triads."""
    drafts: Annotated[int, Within(1, MAX_TUNE_DRAFTS)] = 16
    """How many drafts are composed side by side."""
    format: Annotated[str, OneOf(SETTING_FORMATS)] | None = None
    """Answer with a file: the setting, or the `tune` alone as MIDI; default: with JSON."""


class SettingNote(NamedTuple):
    """A note of a setting."""

    voice: int
    """An index into its `voices`."""
    pitch: int
    tick: int
    ticks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A setting of a tune for four voices; the answer to `api/harmonise`."""

    model: str
    bundle: str
    """The SHA-256 of the model."""
    seed: int
    voices: tuple[Voice, ...]
    notes: tuple[SettingNote, ...]
    """In the order of their ticks, 480 to a quarter note."""
    meter: MeterRow
    pickup: int
    """The length of the pickup in ticks."""
    fifths: int
    """The key signature, after the tune was moved."""
    minor: bool
    tempo: float
    """Quarter notes a minute."""
    moved: int
    """By how many semitones the tune was moved, so that its voice can sing it."""
    remarks: tuple[str, ...]
    """What one should know of it: one line says how the tune was moved."""
    command: str
    """The command that makes it again from the tune as MIDI."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuneRange:
    """What one voice can sing."""

    voice: str
    low: int
    """A pitch."""
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingFormat:
    """A format that this server cannot write."""

    format: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HarmoniseInfo:
    """What a page needs to know before it asks for settings."""

    model: str
    """The first that composes four voices."""
    ranges: tuple[TuneRange, ...]
    formats: tuple[str, ...]
    missing: tuple[MissingFormat, ...]
    notes: int
    """The most notes of a tune."""
    bars: int
    """The most bars of a tune."""
    file_bytes: int
    """The largest file that `api/tune` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuetBegin:
    """Begins a duet, with the first note of the player."""

    type: ClassVar[str] = "begin"
    model: Name | None = None
    """A name from `api/models`; default: the first that composes four voices."""
    seed: Seed | None = None
    """Default: the server draws one."""
    temperature: Temperature | None = None
    """Randomness; default: the model's."""
    meter: TuneMeter
    grid: Annotated[int, Within(*DUET_GRIDS)] = 2
    """The length of a step in sixteenths."""
    pickup: Annotated[int, Within(0, 255)] = 0
    """From the first step to the next bar line, in sixteenths; 0: the first step is at one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuetStep:
    """What the player does at the next step of the grid. Every step is sent, in order; one that was sent as `hold` or
    `rest` may be sent once again as a `note`, if the player was late."""

    type: ClassVar[str] = "step"
    step: Annotated[int, Within(0, 1_000_000)]
    """Counts from 0."""
    plays: Annotated[str, OneOf(("note", "hold", "rest"))]
    pitch: MidiPitch | None = None
    """Of a `note`."""

    def __post_init__(self) -> None:
        if (self.plays == "note") != (self.pitch is not None):
            raise MessageRejected("a step has a pitch if it plays a note, and only then")


@dataclass(frozen=True, slots=True, kw_only=True)
class DuetReady:
    """The answer to `begin`."""

    type: ClassVar[str] = "ready"
    model: str
    seed: int
    voices: tuple[Voice, ...]


class DuetPart(NamedTuple):
    """What a voice does at a step."""

    voice: int
    """An index into `voices`; the player is 0."""
    pitch: int | None
    """Where a note begins; null: the voice falls silent. A voice that holds is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DuetAnswer:
    """The answer to `step`: what the other voices do at it. After a step that was sent again, it replaces the first
    answer."""

    type: ClassVar[str] = "answer"
    step: int
    parts: tuple[DuetPart, ...]
    """Those voices that begin a note or fall silent."""
    heard: int | None
    """The player's pitch as the network heard it: moved by octaves into the range of the voice; null: no note."""
    seconds: float
    """How long the network took."""


HTTP_MESSAGES = (ModelsInfo, HarmoniseInfo, Tune, HarmoniseRequest, Setting)
"""What the other addresses take and answer with."""
DUET_CLIENT_MESSAGES = DuetBegin | DuetStep
DUET_SERVER_MESSAGES = DuetReady | DuetAnswer | ErrorMessage
