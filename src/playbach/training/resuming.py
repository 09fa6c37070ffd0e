"""Resuming an unfinished training run: which run, with which options, and whether its music is unchanged.

Knows what a run's description contains; knows nothing of the training itself. Needs torch, for the options.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from playbach.bundles import bundle as bundles
from playbach.bundles import network
from playbach.bundles.network import BaseModel
from playbach.data.corpora import builtin_name
from playbach.data.pieces import Corpus
from playbach.encodings import OPTIONS, options_dict
from playbach.system.errors import CorpusError, PlaybachError, UsageError
from playbach.system.files import display_path, pending_file
from playbach.system.version import __version__
from playbach.training import run_folders
from playbach.training.options import TrainOptions
from playbach.training.run_folders import RunFolder

_BASE_FOLDER, _TEACHERS_FOLDER = "base", "teachers"
CHANGEABLE_OPTIONS = ("epochs", "max_minutes", "patience")
"""The options that a resumed run may change, since they only decide when it stops."""


def describe_run(
    folder: str | Path | None,
    corpus: Corpus,
    options: TrainOptions,
    base: BaseModel | None = None,
    teachers: Sequence[BaseModel] = (),
) -> dict[str, Any]:
    """The description of a run for NAME.run/, as JSON."""
    return {
        "playbach": __version__,
        "folder": _absolute(folder),
        "base": base.name if base else None,
        "teachers": [teacher.path.stem for teacher in teachers],
        "options": asdict(options),
        "pieces": [[side, piece.digest] for side, piece in corpus.pieces()],
        "made_by": environment(),
    }


def environment(processes: int = 1) -> str:
    """The versions and settings that must be equal, besides the machine, for two runs to end with equal weights."""
    text = f"torch {version('torch')}, numpy {version('numpy')}, {torch.get_num_threads()} threads"
    return text if processes == 1 else f"{text}, {processes} processes"


def find_run(into: Path, folder: str | Path | None, name: str | None, named: str | Path | None) -> Path:
    """The .run folder to resume: the one given by its path or its name, or else the only one (of that music).

    Args:
        into: the folder that contains the .run folders.
        folder: the music; None is any.
        named: a .run folder, or the folder of the music, since people write `--resume FOLDER` too.

    Raises:
        UsageError: there is no such run, or there are several.
    """
    if named is not None and (folder is not None or not Path(named).is_dir() or _is_run(Path(named))):
        return Path(named)
    folder = folder if named is None else named
    if name is not None:
        return into / f"{name}{run_folders.RUN_SUFFIX}"
    of = "" if folder is None else f" of {display_path(folder)}"
    wanted = None if folder is None else _absolute(folder)
    unfinished = run_folders.unfinished_runs(into)
    paths = [path for path, description in unfinished if wanted is None or description.get("folder") == wanted]
    if not paths:
        raise UsageError(
            f"there is no unfinished training{of} in {display_path(into.absolute())}; leave out --resume"
        )
    if len(paths) > 1:
        choices = " or ".join(f"--resume {display_path(path)}" for path in paths)
        raise UsageError(f"there are {len(paths)} unfinished trainings{of}; choose one: {choices}")
    return paths[0]


def resume_options(run: RunFolder, changes: Mapping[str, Any]) -> TrainOptions:
    """The options that a run was begun with, with changes to CHANGEABLE_OPTIONS applied.

    Raises:
        UsageError: another option would change.
        PlaybachError: the run's description is damaged.
    """
    try:
        stored = dict(run.description["options"])
        known = {f.name for f in fields(TrainOptions)}
        encoding_options = {name: kind(**stored[name]) for name, kind in OPTIONS.items()}
        options = TrainOptions(**{**stored, **encoding_options})
    except (KeyError, TypeError, UsageError) as error:
        raise PlaybachError(
            f"{display_path(run.path / run_folders.DESCRIPTION_FILE)}: damaged ({error}); remove "
            f"{display_path(run.path)} and train again"
        ) from error
    for name, value in changes.items():
        if name not in known:
            raise UsageError(f"training has no option {name!r}")
        if name in OPTIONS and name != stored["encoding"]:
            continue  # options of an encoding that the run does not use
        if name not in CHANGEABLE_OPTIONS:
            _require_same(run.path, name, value, stored.get(name, getattr(options, name)))
    return replace(options, **{name: value for name, value in changes.items() if name in CHANGEABLE_OPTIONS})


def save_models(run: RunFolder, base: BaseModel | None, teachers: Sequence[BaseModel]) -> None:
    """Copy the model that the run begins from, and its teachers, into its folder, since the originals may be gone
    when it is resumed.

    Raises:
        PlaybachError: a file cannot be written.
    """
    copies = [] if base is None else [(base, _model_path(run, _BASE_FOLDER, base.name))]
    copies += [(teacher, _model_path(run, _TEACHERS_FOLDER, teacher.path.stem)) for teacher in teachers]
    for model, path in copies:
        if model.path != path:
            path.parent.mkdir(exist_ok=True)
            with pending_file(path, overwrite=True) as draft:
                shutil.copyfile(model.path, draft.temporary)


def load_base(run: RunFolder) -> BaseModel | None:
    """The model that the run began from; None if it began with random weights.

    Raises:
        BundleError: the copy of the model is missing or damaged.
    """
    name = run.description.get("base")
    return network.read_base_model(_model_path(run, _BASE_FOLDER, str(name))) if name else None


def load_teachers(run: RunFolder) -> list[BaseModel]:
    """The run's teachers. Errors are those of `load_base`."""
    names = run.description.get("teachers", [])
    return [network.read_base_model(_model_path(run, _TEACHERS_FOLDER, str(name))) for name in names]


def _model_path(run: RunFolder, folder: str, name: str) -> Path:
    return run.path / folder / f"{Path(name).name}{bundles.BUNDLE_SUFFIX}"


def _require_same(path: Path, name: str, value: Any, stored: Any) -> None:
    value = options_dict(value)
    if isinstance(value, Mapping):
        for key, part in value.items():
            # `stored` contains only those options of the network that were given.
            _require_same(path, key, part, stored.get(key, "its default"))
    elif value != stored:
        raise UsageError(
            f"{display_path(path)}: {name} cannot change from {stored} to {value}; leave it out, or begin a new "
            "training with another --name"
        )


def require_same_music(run: RunFolder, corpus: Corpus) -> None:
    """Raise CorpusError if the music is not what the run was begun with."""
    before = [tuple(entry) for entry in run.description.get("pieces", [])]
    now = [(side, piece.digest) for side, piece in corpus.pieces()]
    if now == before:
        return
    old, new = (Counter(digest for _, digest in pieces) for pieces in (before, now))
    added, missing = (new - old).total(), (old - new).total()
    change = f"pieces added: {added}, missing: {missing}" if added or missing else "files were renamed"
    raise CorpusError(
        f"{corpus.name}: the music has changed since {display_path(run.path)} was begun ({change}); restore it, or "
        "begin a new training with another --name"
    )


def _absolute(folder: str | Path | None) -> str | None:
    if folder is None or builtin_name(folder) is not None:
        return None if folder is None else str(folder)
    return os.path.abspath(folder)  # noqa: PTH100 - keeps the name of a link


def _is_run(path: Path) -> bool:
    return (path / run_folders.DESCRIPTION_FILE).is_file()
