"""`playbach compose`: new pieces into files.

Its paths go to stdout, its seeds to stderr. Knows the composer and the writers, which are imported when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from playbach.cli.common import WIDTH, add_runtime, columns, result, say
from playbach.system.errors import UsageError

if TYPE_CHECKING:
    from playbach.inference.confidence import Confidence


def add(commands: Any) -> None:
    compose = commands.add_parser(
        "compose",
        help="compose a new piece and write it to a file",
        description="Compose a new piece. Prints its path on stdout and its seed on stderr.",
    )
    compose.set_defaults(run=run)
    compose.add_argument("model", nargs="?", metavar="MODEL",
                         help="a .playbach file, an exported file, or the name of a shipped model (default: "
                              "bach-chorales)")  # fmt: skip
    compose.add_argument("-o", "--output", type=Path, default=Path("piece.mid"), metavar="FILE",
                         help=".mid, .wav, .flac, .mp3, .ogg or .png (a piano roll); default %(default)s; "
                              "an existing file is never overwritten")  # fmt: skip
    compose.add_argument("--bars", type=int, metavar="N", help="how many bars (default: 16)")
    compose.add_argument("--seed", type=int, metavar="N", help="the same seed makes the same piece")
    compose.add_argument("--temperature", type=float, metavar="T",
                         help="0: the most probable; 1: as learnt; more: bolder (default: the model's)")  # fmt: skip
    compose.add_argument("--top-p", type=float, metavar="P", help="sample among the most probable symbols that "
                         "together have probability P (default: the model's)")  # fmt: skip
    compose.add_argument("--tempo", type=float, metavar="QPM", help="quarter notes per minute")
    compose.add_argument("--instrument", action="append", default=[], metavar="[VOICE=]NAME",
                         help="a General MIDI instrument for all voices, or for one; may be repeated")  # fmt: skip
    compose.add_argument("--instruments", action="store_true", help="list General MIDI's 128 names and stop")
    compose.add_argument("--prime", metavar="FILE", help="continue this MIDI or MusicXML file; 'corpus': a passage "
                         "of the music that the model learnt from, chosen by the seed")  # fmt: skip
    compose.add_argument("--offset", type=float, metavar="QUARTERS",
                         help="models of notes: a fixed time from each onset to the next")  # fmt: skip
    compose.add_argument("--duration", type=float, metavar="QUARTERS",
                         help="models of notes: a fixed length of all notes (default: as composed)")  # fmt: skip
    compose.add_argument("--prime-bars", type=int, metavar="N", help="only its first N bars (default: all)")
    compose.add_argument("--no-prime", action="store_true", help="leave the given piece out of the result")
    compose.add_argument("--count", type=int, default=1, metavar="N",
                         help="write N pieces, with the seeds that follow each other (default: 1)")  # fmt: skip
    compose.add_argument("--plain", action="store_true",
                         help="leave the notes as composed: no dynamics, no broadening at the end")  # fmt: skip
    compose.add_argument("--no-rules", action="store_true", help="leave the network alone: parallel fifths and "
                         "octaves, and the first ending that comes")  # fmt: skip
    compose.add_argument("--confidence", action="store_true", help="print after the path how sure the network was "
                         "of each note: the symbol chosen, its probability, and the likeliest others")  # fmt: skip
    add_runtime(compose)
    compose.add_argument("--soundfont", type=Path, metavar="FILE", help="an .sf2 or .sf3 for audio files")


def run(given: argparse.Namespace) -> int:
    from playbach.music import instruments

    if given.instruments:
        result("\n".join(f"{number:3} {name}" for number, name in enumerate(instruments.NAMES)))
        return 0
    import playbach
    from playbach import rendering
    from playbach.inference import composing
    from playbach.inference.confidence import closing
    from playbach.music import reading

    if given.count < 1:
        raise UsageError(f"--count must be at least 1, not {given.count}")
    if given.prime is None and (given.no_prime or given.prime_bars is not None):
        raise UsageError("--no-prime and --prime-bars go with --prime FILE")
    rendering.writer_for(given.output)
    options: dict[str, Any] = {
        "temperature": given.temperature,
        "top_p": given.top_p,
        "tempo": given.tempo,
        "offset": given.offset,
        "duration": given.duration,
        "prime_bars": given.prime_bars,
        "keep_prime": not given.no_prime,
        "plain": given.plain,
        "rules": not given.no_rules,
    }
    if given.bars is not None:
        options["bars"] = given.bars
    composing.ComposeOptions(**options)
    if given.soundfont is not None and given.output.suffix.lower() in (".mid", ".midi", ".png"):
        raise UsageError("--soundfont goes with audio files: -o piece.wav, .flac, .mp3 or .ogg")
    seed = composing.new_seed(given.seed)
    composing.new_seed(seed + given.count - 1)
    composer = playbach.load(given.model, runtime=given.runtime)
    if given.instrument:
        options["programs"] = instruments.parse(given.instrument, composer.tracks)
    prime = given.prime if given.prime in (None, composing.CORPUS) else reading.read(given.prime)
    for number in range(given.count):
        piece = composer.compose(seed=seed + number, prime=prime, **options)
        path = piece.write(given.output, given.soundfont)
        say(f"seed {piece.seed}")
        if given.confidence and number:
            result("")
        result(str(path))
        if given.confidence:
            result("\n".join(["", *_table(piece.confidence), "", *wrap(closing(piece.confidence), WIDTH)]))
    return 0


def _table(onsets: Sequence[Confidence]) -> list[str]:
    """A line for each onset, and one more for each further field of its step."""
    voices = len({onset.voice for onset in onsets}) > 1
    rows = [("bar", "beat", "voice" * voices, "note", "chosen", "", "instead of", "")]
    for onset in onsets:
        place = (str(onset.bar), f"{onset.beat:.2f}".rstrip("0").rstrip("."), onset.voice * voices, onset.names)
        if onset.given:
            rows.append((*place, "given", "", "", ""))
        for i, field in enumerate(onset.chosen):
            place = place if i == 0 else ("", "", "", field.field)
            others = "  ".join(f"{name} {p:.2f}" for name, p in field.others)
            remark = "no clue" if field.no_clue else ""
            rows.append((*place, field.symbol, f"{field.probability:.2f}", others, remark))
    return columns(rows, right={0, 5})
