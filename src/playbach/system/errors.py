"""What a user may see when something is wrong: one line that names the file, the fault and the way out.

Knows nothing of the rest of the program. Everything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations


class PlaybachError(Exception):
    """A fault that the user can mend; the command line prints it as one line and exits with 1.

    What a file or its name put into the message is shown escaped where it cannot be printed.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


class UsageError(PlaybachError):
    """Options that make no sense alone or together; exit status 2."""


def demand_numbers(options: object, *names: str, whole: bool = False) -> None:
    """UsageError where one of these options is no number, or no whole one; its range is for its owner to check."""
    for name in names:
        value = getattr(options, name)
        if not isinstance(value, int if whole else int | float):
            what = "a whole number" if whole else "a number"
            raise UsageError(f"{name.replace('_', '-')} must be {what}, not {value!r:.40}")


class ScoreError(PlaybachError):
    """A music file that cannot be read, or a score that an encoding cannot hold."""


class BundleError(PlaybachError):
    """A `.playbach` file that is damaged, foreign or from another version."""


class CorpusError(PlaybachError):
    """A folder or built-in corpus that cannot be trained on."""


class MissingExtra(PlaybachError):
    """An optional dependency is absent."""

    def __init__(self, what: str, extra: str, module: str) -> None:
        package = module.partition(".")[0]
        super().__init__(
            f"{what} needs the package {package!r}, which is not installed: pip install 'playbach[{extra}]'"
        )
        self.extra = extra
