"""What several tests share: hypothesis's profile, sample music, and small bundles, trained on it once per session."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from helpers import sample_music

# No deadline, since the duration of an example says nothing about the code on a busy machine.
settings.register_profile("playbach", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("playbach")


@pytest.fixture(scope="session")
def lines_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten melodies."""
    return sample_music.folder(tmp_path_factory.mktemp("music") / "lines", sample_music.line)


@pytest.fixture(scope="session")
def chorales_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten four-part settings."""
    return sample_music.folder(tmp_path_factory.mktemp("music") / "chorales", sample_music.chorale)


def trained(folder: Path, into: Path, **options: object) -> Path:
    """A bundle of a small network, trained for a few epochs. Without torch the tests that need one are skipped."""
    pytest.importorskip("torch")
    import playbach

    network = {"width": 48, "layers": 1, "heads": 2, "dropout": 0.1}
    chosen = {"epochs": 6, "model": "transformer", "network": network, **options}
    return playbach.train(folder, into=into, **chosen).path  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def lines_bundle(lines_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the notes encoding."""
    return trained(lines_folder, tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def chorales_bundle(chorales_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the chorale encoding."""
    return trained(chorales_folder, tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="session")
def bands_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pieces for a small band, with drums and changes of meter and tempo."""
    return sample_music.folder(tmp_path_factory.mktemp("music") / "bands", sample_music.band, count=8, bars=6)


@pytest.fixture(scope="session")
def bands_bundle(bands_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the events encoding."""
    return trained(bands_folder, tmp_path_factory.mktemp("bundle"), epochs=4)
