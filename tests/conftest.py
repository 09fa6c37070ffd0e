"""What several tests share: hypothesis's profile, sample music, and small bundles that were trained on it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# One thread for each process, before numpy and torch are loaded: small networks gain nothing from more, and the
# threads of several test processes would take the cores from each other. Subprocesses inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from golden import make
from helpers import sample_music
from playbach.ngrams import ngram

# No deadline, since the duration of an example says nothing about the code on a busy machine.
settings.register_profile("playbach", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("playbach")


@pytest.fixture(scope="session")
def lines_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten melodies."""
    return sample_music.corpus("lines", tmp_path_factory.mktemp("music"))


@pytest.fixture(scope="session")
def chorales_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten four-part settings."""
    return sample_music.corpus("chorales", tmp_path_factory.mktemp("music"))


@pytest.fixture(scope="session")
def bands_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pieces for a small band, with drums and changes of meter and tempo."""
    return sample_music.corpus("bands", tmp_path_factory.mktemp("music"))


def copied(bundle: Path, into: Path) -> Path:
    """A bundle in a folder of its own."""
    return Path(shutil.copy(bundle, into))


@pytest.fixture(scope="session")
def lines_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the notes encoding, trained on the melodies of `lines_folder`."""
    return copied(make.SMALL["lines"], tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def chorales_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the chorale encoding, trained on the settings of `chorales_folder`."""
    return copied(make.SMALL["chorales"], tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def bands_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the events encoding, trained on the pieces of `bands_folder`."""
    return copied(make.SMALL["bands"], tmp_path_factory.mktemp("bundle"))


@pytest.fixture(autouse=True, scope="session")
def _two_ngrams() -> Iterator[None]:
    """Fit two n-grams where training would fit five: tests need no more, and fitting takes longer than all else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngram, "NGRAM_MEMBERS", 2)
        yield
