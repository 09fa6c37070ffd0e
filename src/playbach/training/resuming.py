"""Taking up a training that was cut short: which run is meant, with which options, and whether its music is there.

Knows what a run's description holds; knows nothing of how training goes. Needs torch, for the options.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from playbach.bundles import bundle as bundles
from playbach.bundles import network
from playbach.bundles.network import Base
from playbach.data.corpora import builtin_name
from playbach.data.pieces import Corpus
from playbach.encodings import OPTIONS, by_name
from playbach.system.errors import CorpusError, PlaybachError, UsageError
from playbach.system.files import shown, writing
from playbach.system.version import __version__
from playbach.training import run_folders
from playbach.training.options import TrainOptions

BASE = "base"
MAY_CHANGE = ("epochs", "max_minutes", "patience")
"""The options that only decide when to stop."""


def description(
    folder: str | Path | None, corpus: Corpus, options: TrainOptions, base: Base | None = None
) -> dict[str, Any]:
    """What NAME.run/ says of its run, as JSON."""
    return {
        "playbach": __version__,
        "folder": _absolute(folder),
        "base": base.name if base else None,
        "options": asdict(options),
        "pieces": [[side, piece.digest] for side, piece in corpus.pieces()],
        "made_by": made_by(),
    }


def made_by(processes: int = 1) -> str:
    """What two runs must have in common to end with the very same weights, besides the machine."""
    found = f"torch {version('torch')}, numpy {version('numpy')}, {torch.get_num_threads()} threads"
    return found if processes == 1 else f"{found}, {processes} processes"


def find(into: Path, folder: str | Path | None, name: str | None, named: str | Path | None) -> Path:
    """The run that is meant: the one named by its path or its name, or the only one there is (of that music).

    Args:
        into: the folder in which runs lie.
        folder: of music; None is any.
        named: a .run folder, or the folder of music again, as people write `--resume FOLDER`.

    Raises:
        UsageError: there is none, or there are several.
    """
    if named is not None and (folder is not None or not Path(named).is_dir() or _is_run(Path(named))):
        return Path(named)
    folder = folder if named is None else named
    if name is not None:
        return into / f"{name}{run_folders.SUFFIX}"
    of = "" if folder is None else f" of {shown(folder)}"
    found = [path for path, what in run_folders.unfinished(into)
             if folder is None or what.get("folder") == _absolute(folder)]  # fmt: skip
    if not found:
        raise UsageError(f"there is no unfinished training{of} in {shown(into.absolute())}; leave --resume out")
    if len(found) > 1:
        names = " or ".join(f"--resume {shown(path)}" for path in found)
        raise UsageError(f"there are {len(found)} unfinished trainings{of}; name one: {names}")
    return found[0]


def options_of(run: run_folders.RunFolder, given: Mapping[str, Any]) -> TrainOptions:
    """The options of a run, with those changes that a run can bear.

    Raises:
        UsageError: an option was given that the run was not begun with.
        PlaybachError: its description is damaged.
    """
    try:
        stored = dict(run.description["options"])
        known = {f.name for f in fields(TrainOptions)}
        chosen = {name: kind(**stored[name]) for name, kind in OPTIONS.items()}
        options = TrainOptions(**{**stored, **chosen})
    except (KeyError, TypeError, UsageError) as error:
        raise PlaybachError(
            f"{shown(run.path / run_folders.DESCRIPTION)}: damaged ({error}); remove {shown(run.path)} and begin anew"
        ) from error
    for name, value in given.items():
        if name not in known:
            raise UsageError(f"training has no option {name!r}")
        if name in OPTIONS and name != stored["encoding"]:
            continue  # options of an encoding that the run does not have
        if name not in MAY_CHANGE:
            _demand_same(run.path, name, value, stored[name])
    return replace(options, **{name: value for name, value in given.items() if name in MAY_CHANGE})


def keep_base(run: run_folders.RunFolder, base: Base) -> None:
    """Keep what the run began with in its folder: it is needed to go on, and may be gone elsewhere.

    Raises:
        PlaybachError: the disk is full …
    """
    kept = _base_path(run, base.name)
    if base.path != kept:
        kept.parent.mkdir(exist_ok=True)
        with writing(kept, overwrite=True) as draft:
            shutil.copyfile(base.path, draft.temporary)


def base_of(run: run_folders.RunFolder) -> Base | None:
    """What the run began with, if it did not begin with chance.

    Raises:
        BundleError: it is not there any more.
    """
    name = run.description.get("base")
    return network.read_base(_base_path(run, str(name))) if name else None


def _base_path(run: run_folders.RunFolder, name: str) -> Path:
    return run.path / BASE / f"{Path(name).name}{bundles.SUFFIX}"


def _demand_same(path: Path, name: str, given: Any, stored: Any) -> None:
    given = by_name(given)
    if isinstance(given, Mapping):
        for key, value in given.items():
            # What was never said has the default, which `stored` does not name.
            _demand_same(path, key, value, stored.get(key, "its default"))
    elif given != stored:
        raise UsageError(
            f"{name} {given} is given, but {shown(path)} was begun with {stored}; leave it out, or begin a new "
            "training under another --name"
        )


def demand_same_music(run: run_folders.RunFolder, corpus: Corpus) -> None:
    """Raises CorpusError where the music is not what the run was begun with."""
    before = [tuple(entry) for entry in run.description.get("pieces", [])]
    now = [(side, piece.digest) for side, piece in corpus.pieces()]
    if now == before:
        return
    old, new = (Counter(digest for _, digest in pieces) for pieces in (before, now))
    added, missing = (new - old).total(), (old - new).total()
    what = f"{added} pieces are new and {missing} are missing" if added or missing else "files have other names"
    raise CorpusError(
        f"{corpus.name}: the music has changed since {shown(run.path)} was begun ({what}); put it back as it was, "
        "or begin a new training under another --name"
    )


def _absolute(folder: str | Path | None) -> str | None:
    if folder is None or builtin_name(folder) is not None:
        return None if folder is None else str(folder)
    return os.path.abspath(folder)  # noqa: PTH100 - a link keeps its name


def _is_run(path: Path) -> bool:
    return (path / run_folders.DESCRIPTION).is_file()
