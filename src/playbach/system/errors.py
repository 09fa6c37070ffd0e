"""The exceptions whose message a user sees: one line that says which file, what is wrong and what to do.

Any other exception that reaches the user is a bug and shows its traceback.
"""

from __future__ import annotations


class PlaybachError(Exception):
    """An error that the user can correct. The command line prints it as one line and exits with status 1.

    Characters that cannot be printed are escaped: they may come from a file or its name.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))


class UsageError(PlaybachError):
    """Options that are not valid, alone or together. The exit status is 2."""


class ScoreError(PlaybachError):
    """A music file that cannot be read, or a score that cannot be used."""


def damaged_file(reason: str) -> ScoreError:
    """The error for a music file with something in it that its format does not allow."""
    return ScoreError(f"the file is damaged ({reason}); leave it out or export it again")


def impossible_value(name: str, value: int | str) -> ScoreError:
    """The error for a value that no score can have."""
    return damaged_file(f"{name} {value} is not valid")


class BundleError(PlaybachError):
    """A model file that is missing, damaged or from another version."""


class CorpusError(PlaybachError):
    """A folder or built-in corpus that cannot be trained on."""


class MissingExtra(PlaybachError):
    """An optional dependency is not installed. `module` is what could not be imported."""

    def __init__(self, what: str, extra: str, module: str) -> None:
        package = module.partition(".")[0]
        super().__init__(
            f"{what} needs the package {package!r}, which is not installed: pip install 'playbach[{extra}]'"
        )
        self.extra = extra
