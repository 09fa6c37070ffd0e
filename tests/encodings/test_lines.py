"""The features of a line: its last notes, the intervals between them, and its echoes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbach.encodings.features import lines


def context_of_line(notes: list[int], modulus: int | None = None) -> dict[str, str]:
    """The context after the last of these notes, as names of fields and of their symbols. Checks that `Line` gives
    the same contexts."""
    contexts = lines.line_contexts(np.array(notes, np.int32), modulus)
    line = lines.Line(modulus)
    for note, context in zip(notes, contexts):
        assert line.context() == context.tolist()
        line.add(note)
    assert line.context() == contexts[-1].tolist()
    return {f.name: f.symbols[value] for f, value in zip(lines.LINE_FIELDS, contexts[-1].tolist(), strict=True)}


def test_a_lines_context_has_its_last_notes_their_intervals_and_echoes() -> None:
    context = context_of_line([60, 62, 64, 72, 74])  # up a tone, up a tone; and again from C5
    assert [context[f"note {k} ago"] for k in range(1, 9)] == ["74", "72", "64", "62", "60", *["nothing"] * 3]
    assert [context[f"step {k} ago"] for k in range(1, 8)] == ["2", "8", "2", "2", *["none"] * 3]
    assert context["echo of 1"] == "82", "the last time, a tone up was followed by 8 semitones up"
    assert context["step to echo of 1"] == "8"
    assert {context[f"echo of {k}"] for k in (2, 3, 4, 6, 8)} == {"nothing"}
    assert {context[f"step to echo of {k}"] for k in (2, 3, 4, 6, 8)} == {"none"}


@pytest.mark.parametrize("length", [1, 2, 3, 4, 6, 8])
def test_an_echo_follows_the_line_after_the_same_intervals(length: int) -> None:
    """A figure, another note, and the figure again a minor third higher: the echo is the other note, a minor third
    higher."""
    figure = [60, 61, 63, 66, 70, 69, 67, 64, 59][: length + 1]
    context = context_of_line([*figure, 50, *(p + 3 for p in figure)])
    assert context[f"echo of {length}"] == "53"
    assert context[f"step to echo of {length}"] == str(max(-24, 53 - (figure[-1] + 3)))
    longer = [k for k in lines.ECHO_LENGTHS if k > length]
    assert all(context[f"echo of {k}"] == "nothing" for k in longer)


@pytest.mark.parametrize(
    ("notes", "echo"),
    [
        ([99, 112, 113, 126], "127"),
        ([100, 113, 114, 127], "nothing"),  # it would be 128
        ([28, 15, 14, 1], "0"),
        ([27, 14, 13, 0], "nothing"),
    ],
)
def test_an_echo_is_a_pitch_from_0_to_127(notes: list[int], echo: str) -> None:
    context = context_of_line(notes)
    assert context["echo of 1"] == echo
    assert (context["step to echo of 1"] == "none") == (echo == "nothing")
    assert context["note 1 ago"] == str(notes[-1])


def test_intervals_of_more_than_two_octaves_count_as_two_octaves() -> None:
    context = context_of_line([0, 24, 0, 25, 0, 127, 0])
    assert [context[f"step {k} ago"] for k in range(1, 8)] == ["-24", "24", "-24", "24", "-24", "24", "none"]


def test_the_echo_of_pitch_classes_is_a_pitch_class() -> None:
    context = context_of_line([9, 11, 1, 10, 0], 12)  # up by 2, 2, 9 and 2 semitones, modulo the octave
    assert context["echo of 1"] == "9"
    assert context["step to echo of 1"] == "9"


@given(st.lists(st.lists(st.tuples(st.integers(58, 64), st.booleans()), max_size=40), min_size=1, max_size=4),
       st.sampled_from([None, 12]))  # fmt: skip
def test_several_lines_have_the_contexts_of_each(steps: list[list[tuple[int, bool]]], modulus: int | None) -> None:
    """Steps that add a note to a line, and others."""
    expected = []
    for line in steps:
        alone = lines.Line(modulus)
        for note, adds in line:
            expected.append(alone.context())
            if adds:
                alone.add(note % 12 if modulus else note)
    added = np.array([adds for line in steps for _, adds in line], bool)
    known = np.cumsum(added) - added
    begins_of_steps = np.cumsum([0, *map(len, steps[:-1])])
    begins = np.cumsum([0, *(sum(adds for _, adds in line) for line in steps[:-1])])
    notes = [note % 12 if modulus else note for line in steps for note, adds in line if adds]
    whole = lines.WholeLine(
        np.array(notes, np.int32), known, modulus, tuple(begins.tolist()), tuple(begins_of_steps.tolist())
    )
    found = np.concatenate([whole.recent, whole.steps, whole.echoes], axis=1)
    assert found.dtype == np.int32
    assert found.tolist() == expected
