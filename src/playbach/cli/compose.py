"""`playbach compose`: composes new pieces and writes them to files.

The paths go to stdout, the seeds to stderr. The composer and the writers are imported when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from playbach.cli.common import (
    LINE_WIDTH,
    add_runtime,
    format_table,
    parse_float,
    parse_int,
    print_message,
    print_result,
)
from playbach.system.errors import UsageError

if TYPE_CHECKING:
    from playbach.inference.confidence import Confidence


def add(commands: Any) -> None:
    compose = commands.add_parser(
        "compose",
        usage="%(prog)s [OPTION ...] [MODEL]",
        help="compose a piece and write it to a file",
        description="Compose a piece and write it to a file. Prints the file's path on stdout and the seed on "
        "stderr. The same seed and options give the same piece.",
    )
    compose.set_defaults(run=run)
    compose.add_argument("model", nargs="?", metavar="MODEL", help="a .playbach file, an exported file or a shipped "
                         "model (default: bach-chorales)")  # fmt: skip
    add_runtime(compose)
    output = compose.add_argument_group("output")
    output.add_argument("-o", "--output", type=Path, default=Path("piece.mid"), metavar="FILE",
                        help="file to write: .mid, .wav, .flac, .mp3, .ogg, or .png (a piano roll); an existing file "
                             "is kept and a number added to the name (default: %(default)s)")  # fmt: skip
    output.add_argument("--count", type=parse_int, default=1, metavar="N",
                        help="number of pieces, with consecutive seeds (default: %(default)s)")  # fmt: skip
    output.add_argument("--soundfont", type=Path, metavar="FILE",
                        help="sounds for audio files, .sf2 or .sf3 (default: included)")  # fmt: skip
    output.add_argument("--confidence", action="store_true",
                        help="list the probability of each note and its alternatives")  # fmt: skip
    music = compose.add_argument_group("music")
    music.add_argument("--seed", type=parse_int, metavar="N", help="random seed, 0 or more (default: random)")
    music.add_argument("--bars", type=parse_int, metavar="N", help="bars to compose, 1 to 10000 (default: 16)")
    music.add_argument("--temperature", type=parse_float, metavar="T",
                       help="randomness, 0 to 10; 0: the most probable symbols, 1: as learnt (default: the "
                            "model's)")  # fmt: skip
    music.add_argument("--top-p", type=parse_float, metavar="P",
                       help="choose only among the most probable symbols that add up to probability P, at most 1 "
                            "(default: the model's)")  # fmt: skip
    music.add_argument("--tempo", type=parse_float, metavar="QPM",
                       help="quarter notes per minute, 10 to 480 (default: as composed)")  # fmt: skip
    music.add_argument("--instrument", action="append", default=[], metavar="[VOICE=]NAME",
                       help="General MIDI instrument for all voices or one; repeatable")  # fmt: skip
    music.add_argument("--instruments", action="store_true", help="list the 128 General MIDI instruments and exit")
    music.add_argument("--plain", action="store_true", help="no dynamics, and no slowing down at the end")
    music.add_argument("--no-rules", action="store_true", help="no style rules: allow parallel fifths and octaves, "
                       "and stop at the first ending")  # fmt: skip
    music.add_argument("--offset", type=parse_float, metavar="X",
                       help="fixed time between onsets, 0.125 to 8 quarter notes; notes encoding only (default: as "
                            "composed)")  # fmt: skip
    music.add_argument("--duration", type=parse_float, metavar="X",
                       help="fixed note length, 0.125 to 8 quarter notes; notes encoding only (default: as "
                            "composed)")  # fmt: skip
    prime = compose.add_argument_group("continuing a piece")
    prime.add_argument("--prime", metavar="FILE", help="MIDI or MusicXML file to continue, or `corpus` for a passage "
                       "of the training music, chosen by the seed")  # fmt: skip
    prime.add_argument("--prime-bars", type=parse_int, metavar="N",
                       help="first bars of the prime to use, 1 to 10000 (default: all)")  # fmt: skip
    prime.add_argument("--no-prime", action="store_true", help="leave the prime out of the output")


def run(arguments: argparse.Namespace) -> int:
    from playbach.music import instruments

    if arguments.instruments:
        print_result("\n".join(f"{number:3} {name}" for number, name in enumerate(instruments.INSTRUMENT_NAMES)))
        return 0
    import playbach
    from playbach import rendering
    from playbach.inference import composing
    from playbach.inference.confidence import summary_sentence
    from playbach.music import reading

    if arguments.count < 1:
        raise UsageError(f"--count must be at least 1, not {arguments.count}")
    if arguments.prime is None and (arguments.no_prime or arguments.prime_bars is not None):
        raise UsageError("--no-prime and --prime-bars need --prime FILE")
    rendering.writer_for(arguments.output)
    options: dict[str, Any] = {
        "temperature": arguments.temperature,
        "top_p": arguments.top_p,
        "tempo": arguments.tempo,
        "offset": arguments.offset,
        "duration": arguments.duration,
        "prime_bars": arguments.prime_bars,
        "keep_prime": not arguments.no_prime,
        "plain": arguments.plain,
        "rules": not arguments.no_rules,
    }
    if arguments.bars is not None:
        options["bars"] = arguments.bars
    composing.ComposeOptions(**options)
    if arguments.soundfont is not None and arguments.output.suffix.lower() in (".mid", ".midi", ".png"):
        raise UsageError("--soundfont applies only to audio files: add -o piece.wav, .flac, .mp3 or .ogg")
    seed = composing.new_seed(arguments.seed)
    composing.new_seed(seed + arguments.count - 1)
    composer = playbach.load(arguments.model, runtime=arguments.runtime)
    if arguments.instrument:
        options["programs"] = instruments.parse_instruments(arguments.instrument, composer.tracks)
    prime = arguments.prime if arguments.prime in (None, composing.CORPUS) else reading.read(arguments.prime)
    for number in range(arguments.count):
        piece = composer.compose(seed=seed + number, prime=prime, **options)
        path = piece.write(arguments.output, arguments.soundfont)
        print_message(f"seed {piece.seed}")
        if arguments.confidence and number:
            print_result("")
        print_result(str(path))
        if arguments.confidence:
            print_result(
                "\n".join(["", *_table(piece.confidence), "", *wrap(summary_sentence(piece.confidence), LINE_WIDTH)])
            )
    return 0


def _table(onsets: Sequence[Confidence]) -> list[str]:
    """The table's lines: one for each onset, and one for each other field of its step."""
    voices = len({onset.voice for onset in onsets}) > 1
    rows = [("bar", "beat", "voice" * voices, "note", "chosen", "", "alternatives", "")]
    for onset in onsets:
        place = (str(onset.bar), f"{onset.beat:.2f}".rstrip("0").rstrip("."), onset.voice * voices, onset.names)
        if onset.given:
            rows.append((*place, "given", "", "", ""))
        for i, field in enumerate(onset.chosen):
            place = place if i == 0 else ("", "", "", field.field)
            others = "  ".join(f"{name} {p:.2f}" for name, p in field.others)
            remark = "no clue" if field.no_clue else ""
            rows.append((*place, field.symbol, f"{field.probability:.2f}", others, remark))
    return format_table(rows, right={0, 5})
