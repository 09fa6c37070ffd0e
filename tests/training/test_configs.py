"""Options in TOML files: reading, writing, and error messages that name the file and the fault."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")

from playbach.encodings.options import NotesOptions
from playbach.inspection import configuration
from playbach.system.errors import UsageError
from playbach.training import configs
from playbach.training.options import TrainOptions


def file(folder: Path, text: str) -> Path:
    path = folder / "options.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_options_of_a_file_are_those_of_the_dataclass(tmp_path: Path) -> None:
    path = file(tmp_path, """
        folder = "my-midi"
        name = "cello"
        model = "lstm"
        epochs = 7
        [notes]
        durations = "joined"
        [network]
        hidden = 50
        [weights]
        duration = 0.5
    """)  # fmt: skip
    values = configs.read(path)
    assert (values.pop("folder"), values.pop("name")) == ("my-midi", "cello")
    options = TrainOptions(**values)
    assert options == TrainOptions(
        model="lstm",
        epochs=7,
        notes=NotesOptions(durations="joined"),
        network={"hidden": 50},
        weights={"duration": 0.5},
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "no option called 'epoch'; did you mean epochs?"),
        ("Learning-Rate = 3", "no option called 'Learning-Rate'; did you mean learning_rate?"),
        ("seqlen = 40", "the article's seqlen is called window here"),
        ("normal = true", "the article's normal is called octaves"),
        ("octaves = 'folded'", r"no option called 'octaves'; it belongs in the table \[notes\]"),
        ("hidden = 3", r"it belongs in the table \[network\]"),
        ("zzz = 3", "there are: pedal, "),
        ("[notes]\nvelocity = true", r"no option called 'velocity' in \[notes\]; did you mean velocities?"),
        ("model = 'lstm'\n[network]\nhiden = 3", r"in \[network\] of lstm; did you mean hidden?"),
        ("notes = 3", "notes must be a table"),
        ("[notes]\noctaves = 'some'", r"\[notes\] octaves must be kept or folded, not 'some'"),
        ("epochs = 'many'", "epochs must be a whole number above 0, not 'many'"),
        ("model = 'gpt'", "model must be lstm, .*, not 'gpt'"),
        ("name = 3", "name must be text, not 3"),
        ("epochs = = 3", "not valid TOML"),
    ],
)
def test_the_message_names_the_file_and_the_fault(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"options.toml: .*{message}"):
        configs.read(file(tmp_path, text))


def test_a_file_that_is_missing_or_binary_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        configs.read(tmp_path / "missing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not valid TOML"):
        configs.read(tmp_path / "binary.toml")


def test_the_options_of_a_bundle_can_be_written_and_read(tmp_path: Path) -> None:
    options = TrainOptions(
        encoding="notes", notes=NotesOptions("folded", velocities=True), model="cnn", network={"image": 16},
        max_minutes=2.5, weights={"velocity": 0.25},
    )  # fmt: skip
    text = configuration.toml_text(asdict(options))
    assert "[events]" not in text, "of another encoding"
    assert TrainOptions(**configs.read(file(tmp_path, text))) == options


@given(st.text())
def test_any_text_is_written_and_read_unchanged(value: str) -> None:
    written = configuration.toml_text({"name": value.encode("utf-8", "ignore").decode()})
    assert tomllib.loads(written)["name"] == value.encode("utf-8", "ignore").decode()
