"""One music file: its bytes, the music of a MIDI file, and what to say of a file that cannot be read.

Knows nothing of processes.
"""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

from playbach.music import midi
from playbach.music.meters import doubtful_meter, regroup
from playbach.music.options import ReadingOptions
from playbach.music.pedal import has_pedals, sustain
from playbach.music.reading.limits import ReadingLimits, check_number_of_notes
from playbach.music.reading.results import ReadFile
from playbach.system.errors import ScoreError, damaged_file


def read_bytes(path: Path, limits: ReadingLimits) -> bytes:
    """The contents of a regular file within the size limit. Raises ScoreError."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ScoreError("this is a folder; give a music file")
        if not stat.S_ISREG(mode):
            raise ScoreError("this is not a regular file; copy it to a regular file first")
        with path.open("rb") as file:
            data = file.read(limits.max_bytes + 1)
    except FileNotFoundError:
        raise ScoreError("no such file; check the name") from None
    except PermissionError:
        raise ScoreError("you do not have permission to read this file; change its permissions") from None
    except OSError as error:
        raise ScoreError(f"the file cannot be read ({error.strerror}); check the path and the disk") from None
    if len(data) > limits.max_bytes:
        raise ScoreError(f"the file is larger than {limits.max_bytes:,} bytes; leave it out or split it")
    if not data:
        raise ScoreError("the file is empty; download or export it again")
    return data


def parse_midi(data: bytes, limits: ReadingLimits) -> ReadFile:
    """The music of a MIDI file. Raises ScoreError."""
    score, remarks = midi.parse(data)
    check_number_of_notes(score, limits)
    return ReadFile(score, remarks)


def as_wanted(read: ReadFile, options: ReadingOptions) -> ReadFile:
    """The music in the meter that was asked for, or with a remark on its own, and with the sound of its pedal."""
    score, remarks = read.score, read.remarks
    if options.meter is not None:
        score = regroup(score, options.meter)
    elif (doubt := doubtful_meter(score)) is not None:
        remarks = (*remarks, doubt)
    if options.pedal == "keep" and has_pedals(score):
        score = sustain(score)
    return replace(read, score=score, remarks=remarks)


def describe_failure(error: Exception, limits: ReadingLimits) -> str:
    """What is wrong with a file that could not be read, in one line without its name."""
    if isinstance(error, ScoreError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"it takes more than {limits.memory_bytes >> 20} MiB of memory to read; leave it out"
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return str(damaged_file(reason))
