"""What a network is told before each step of the `events` encoding: features, each with its two faces side by side.

To add one, write its class in the file of its subject and an entry in `events_features`.
"""

from __future__ import annotations

from playbach.encodings.events.features.bars_before import (
    InstrumentBarsBefore,
    LengthBarBefore,
    NoteBarsBefore,
    PlaceBarsBefore,
)
from playbach.encodings.events.features.instrument import (
    InstrumentNow,
    LengthHere,
    LengthNow,
    NoteAbove,
    OnsetBefore,
    TopLine,
    VelocityNow,
)
from playbach.encodings.events.features.position import (
    KindsOfSymbols,
    PlaceAndBeat,
    TempoNow,
    WaitSinceOnset,
    WrittenMeter,
)
from playbach.encodings.events.features.sounding import LowestSounding
from playbach.encodings.events.piece import EventsPiece
from playbach.encodings.events.state import EventsState
from playbach.encodings.events.symbols import Alphabet
from playbach.encodings.features.bars import BarsLeft
from playbach.encodings.features.base import Features
from playbach.encodings.features.home import Home


def events_features(alphabet: Alphabet, meters: tuple[str, ...]) -> Features[EventsPiece, EventsState]:
    """All features, in the order of the context. `meters` are those of the training pieces."""
    return Features(
        (
            KindsOfSymbols(),
            PlaceAndBeat(),
            WrittenMeter(meters),
            BarsLeft(),
            InstrumentNow(alphabet),
            TempoNow(alphabet),
            WaitSinceOnset(),
            Home(),
            LowestSounding(),
            NoteAbove(),
            OnsetBefore(),
            LengthNow(),
            LengthHere(),
            LengthBarBefore(),
            VelocityNow(),
            PlaceBarsBefore(),
            InstrumentBarsBefore(alphabet),
            NoteBarsBefore(),
            TopLine(),
        )
    )
