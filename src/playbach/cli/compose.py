"""`playbach compose`: composes new pieces and writes them to files.

The paths go to stdout, the seeds to stderr. The composer and the writers are imported when it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from playbach.cli import options
from playbach.cli.common import (
    LINE_WIDTH,
    Command,
    add_runtime,
    format_table,
    print_message,
    print_result,
    sheet_remarks,
)
from playbach.inference.options import ComposeOptions, OriginalOption, SeedOption, WishOptions
from playbach.music.options import ReadingOptions
from playbach.system.errors import BundleError, ScoreError, UsageError
from playbach.system.files import display_path
from playbach.system.options import given, listed, options_of

if TYPE_CHECKING:
    from playbach.inference.composing import Composer, Composition
    from playbach.inference.confidence import Confidence

PRIME_OPTIONS = ("prime_bars", "keep_prime")
READING_OPTIONS = tuple(o.name for o in options_of(ReadingOptions) if o.name != "meter")
ONLY_WITH_PRIME = (*PRIME_OPTIONS, *READING_OPTIONS)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a .playbach file, an exported file or a shipped model (default: bach-chorales)",
    )
    add_runtime(parser)
    output = parser.add_argument_group("output")
    options.add_output(output, "piece.mid")
    output.add_argument(
        "--confidence", action="store_true", help="list the probability of each note and its alternatives"
    )
    _add_music(parser.add_argument_group("music"))
    again = parser.add_argument_group("composing a piece again")
    again.add_argument(
        "--replay",
        type=Path,
        metavar="FILE",
        help="MIDI file that playbach or its page saved: compose the very same notes, with all changes made while "
        "they played",
    )
    prime = parser.add_argument_group("continuing a piece")
    prime.add_argument(
        "--prime",
        metavar="FILE",
        help="MIDI or MusicXML file to continue, or `corpus` for a passage of the training music, chosen by the seed",
    )
    options.add_options(prime, ComposeOptions, PRIME_OPTIONS)
    options.add_options(prime, ReadingOptions, READING_OPTIONS)


def _add_music(group: Any) -> None:
    options.add_options(group, SeedOption)
    names = [o.name for o in options_of(ComposeOptions) if o.flag is not None and o.name not in PRIME_OPTIONS]
    options.add_options(group, ComposeOptions, names)
    options.add_options(group, WishOptions)
    options.add_options(group, OriginalOption)
    group.add_argument(
        "--instrument",
        action="append",
        default=[],
        metavar="[VOICE=]NAME",
        help="General MIDI instrument for all voices or one; repeatable",
    )
    group.add_argument("--instruments", action="store_true", help="list the 128 General MIDI instruments and exit")


def run(arguments: argparse.Namespace) -> int:
    from playbach.music import instruments

    if arguments.instruments:
        print_result("\n".join(f"{number:3} {name}" for number, name in enumerate(instruments.INSTRUMENT_NAMES)))
        return 0
    output = options.check_output(arguments)
    pieces = _compose_again(arguments) if arguments.replay is not None else _compose(arguments)
    for number, (piece, composer) in enumerate(pieces):
        if number == 0:
            for remark in (*piece.remarks, *(sheet_remarks(piece) if output.is_sheet else ())):
                print_message(remark)
        elif arguments.confidence:
            print_result("")
        _write(piece, composer, arguments)
    return 0


def _compose(arguments: argparse.Namespace) -> Iterator[tuple[Composition, Composer]]:
    """The pieces that the options ask for."""
    import playbach
    from playbach.inference import composing
    from playbach.music import instruments

    chosen = given(ComposeOptions, vars(arguments))
    reads_file = arguments.prime not in (None, composing.CORPUS)
    wishes = given(WishOptions, vars(arguments))
    reading_chosen = given(ReadingOptions, vars(arguments))
    if reads_file:
        wishes.pop("meter", None)
    else:
        reading_chosen.pop("meter", None)
    if arguments.prime is None and not {*chosen, *reading_chosen}.isdisjoint(ONLY_WITH_PRIME):
        options_of_both = (*options_of(ComposeOptions), *options_of(ReadingOptions))
        flags = listed((o.flag for o in options_of_both if o.flag and o.name in ONLY_WITH_PRIME), "and")
        raise UsageError(f"{flags} need --prime FILE")
    ComposeOptions(**chosen)  # checks them before the model is loaded
    reading_options = ReadingOptions(**reading_chosen)
    seed = composing.new_seed(arguments.seed)
    composing.new_seed(seed + arguments.count - 1)
    composer = playbach.load(arguments.model, runtime=arguments.runtime)
    if arguments.instrument:
        chosen["programs"] = instruments.parse_instruments(arguments.instrument, composer.tracks)
    prime = arguments.prime
    if prime not in (None, composing.CORPUS):
        found = composing.read_prime(prime, reading_options)
        prime = found.score
        for remark in found.remarks:
            print_message(f"{arguments.prime}: {remark}")
    for number in range(arguments.count):
        piece = composer.compose(
            seed=seed + number,
            prime=prime,
            **chosen,
            reading_options=reading_options,
            original=bool(arguments.original),
            **wishes,
        )
        yield piece, composer


def _compose_again(arguments: argparse.Namespace) -> Iterator[tuple[Composition, Composer]]:
    """The piece of the file, composed again."""
    import playbach
    from playbach.inference.recipes import read_replay
    from playbach.music import reading
    from playbach.rendering.midi import find_comment
    from playbach.streaming.replay import compose_again

    if flags := _given_flags(arguments):
        raise UsageError(f"--replay takes everything from the file: leave out {listed(flags, 'and')}")
    file = display_path(arguments.replay)
    comment = find_comment(reading.read_file(arguments.replay).score)
    try:
        replay = read_replay(comment or "")
    except UsageError as error:
        raise ScoreError(f"{file} cannot be composed again: {error}") from error
    composer = playbach.load(arguments.model or replay.model, runtime=arguments.runtime or replay.runtime)
    if replay.bundle is not None and not composer.bundle.sha256.startswith(replay.bundle):
        raise BundleError(
            f"{file} was composed by another network than {display_path(composer.bundle.name)}: its hash is "
            f"{replay.bundle[:12]}, not {composer.bundle.sha256[:12]}; give the file of that model as MODEL"
        )
    yield compose_again(composer, replay), composer


def _given_flags(arguments: argparse.Namespace) -> list[str]:
    """The options that say what to compose."""
    kinds = (ComposeOptions, SeedOption, WishOptions, OriginalOption, ReadingOptions)
    described = (option for kind in kinds for option in options_of(kind))
    values = {o.flag: getattr(arguments, o.name, None) for o in described if o.flag is not None}
    given_flags = [flag for flag, value in values.items() if value is not None]
    others = {
        "--prime": arguments.prime,
        "--instrument": arguments.instrument,
        "--count": arguments.count if arguments.count != 1 else None,
    }
    return [*given_flags, *(flag for flag, value in others.items() if value)]


def _write(piece: Composition, composer: Composer, arguments: argparse.Namespace) -> None:
    """Write a piece, and print what there is to say of it."""
    from playbach.inference.confidence import summary_sentence

    paths = piece.write_files(arguments.output, arguments.soundfont, sheet=arguments.sheet)
    print_message(f"seed {piece.seed}")
    if line := _borrowed(piece, composer, bool(arguments.original)):
        print_message(line)
    print_result("\n".join(map(str, paths)))
    if arguments.confidence:
        print_result(
            "\n".join(["", *_table(piece.confidence), "", *wrap(summary_sentence(piece.confidence), LINE_WIDTH)])
        )


def _borrowed(piece: Composition, composer: Composer, original: bool) -> str | None:
    """A line on what the piece borrows from the training pieces, if that is far more than real music does; if the
    piece was to be original, if it is any more."""
    index = composer.training_index
    borrowing = None if index is None else index.borrowing(piece.score, piece.first_bar)
    if index is None or borrowing is None or not (borrowing.is_above if original else borrowing.is_far_above):
        return None
    if original:
        return f"None of {piece.draws} pieces is original; this one borrows the least. {index.verdict(borrowing)}"
    return f"{index.verdict(borrowing)} Add --original to compose again."


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


COMMAND = Command(
    "Compose a piece and write it to a file. Prints the file's path on stdout and the seed on stderr. The same seed "
    "and options give the same piece.",
    add_options=add_options,
    run=run,
    usage="%(prog)s [OPTION ...] [MODEL]",
)
