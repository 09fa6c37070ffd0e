"""What `harmonise` and `rewrite` share: they compose pieces from a file of the user's and write them."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Protocol

from playbach.cli import options
from playbach.cli.common import add_runtime, print_message, print_result, sheet_remarks
from playbach.inference.options import SeedOption
from playbach.music.options import ReadingOptions
from playbach.system.options import given

if TYPE_CHECKING:
    from playbach.inference.composing import Composer, Composition


class Compose(Protocol):
    """A method of a composer, with its own options."""

    def __call__(
        self, composer: Composer, *, seed: int, reading_options: ReadingOptions, **options: Any
    ) -> Composition: ...


def add_common_options(parser: argparse.ArgumentParser, model_help: str, output: str, kind: type[Any]) -> None:
    """Add all options but those of the file; `kind` is the dataclass of the command's own."""
    parser.add_argument("--model", metavar="MODEL", help=f"{model_help} (default: bach-chorales)")
    add_runtime(parser)
    options.add_output(parser.add_argument_group("output"), output)
    music = parser.add_argument_group("music")
    options.add_options(music, SeedOption)
    options.add_options(music, kind)
    options.add_options(parser.add_argument_group("reading"), ReadingOptions)


def write_pieces(arguments: argparse.Namespace, file: str, kind: type[Any], compose: Compose) -> int:
    """Compose as many pieces as are asked for, and write each. The paths go to stdout, all else to stderr."""
    import playbach
    from playbach.inference import composing

    chosen = given(kind, vars(arguments))
    kind(**chosen)  # checks them before the model is loaded
    reading_options = ReadingOptions(**given(ReadingOptions, vars(arguments)))
    output = options.check_output(arguments)
    seed = composing.new_seed(arguments.seed)
    composing.new_seed(seed + arguments.count - 1)
    composer = playbach.load(arguments.model, runtime=arguments.runtime)
    for number in range(arguments.count):
        piece = compose(composer, seed=seed + number, reading_options=reading_options, **chosen)
        if number == 0:
            for remark in (*piece.remarks, *(sheet_remarks(piece) if output.is_sheet else ())):
                print_message(f"{file}: {remark}")
        paths = piece.write_files(arguments.output, arguments.soundfont, sheet=arguments.sheet)
        print_message(f"seed {piece.seed}")
        print_result("\n".join(map(str, paths)))
    return 0
