"""The public functions name their options, as the dataclasses that describe them do."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import Any

import pytest

import playbach
from playbach.encodings.options import ChoraleOptions, EventsOptions, NotesOptions
from playbach.evaluation.options import EvaluationOptions
from playbach.inference.composing import Composer
from playbach.inference.options import ComposeOptions, HarmoniseOptions, RewriteOptions
from playbach.music.options import ReadingOptions
from playbach.training.options import TrainOptions


@pytest.mark.parametrize(
    ("function", "options", "others"),
    [
        (
            playbach.train,
            TrainOptions,
            {"folder", "name", "into", "resume", "base", "teachers", "tensorboard", "listen", "report"},
        ),
        (playbach.evaluate, EvaluationOptions, {"model", "folder", "report"}),
        (playbach.read, ReadingOptions, {"path", "report"}),
        (Composer.compose, ComposeOptions, {"self", "seed", "prime", "reading_options", "original", "key", "meter"}),
        (Composer.rewrite, RewriteOptions, {"self", "piece", "seed", "reading_options"}),
        (Composer.harmonise, HarmoniseOptions, {"self", "tune", "seed", "reading_options"}),
        (Composer.stream, ComposeOptions, {"self", "seed", "prime", "reading_options"}),
    ],
    ids=lambda case: getattr(case, "__qualname__", ""),
)
def test_a_function_has_the_parameters_of_its_options(
    function: Callable[..., Any], options: type[Any], others: set[str]
) -> None:
    parameters = inspect.signature(function).parameters
    fields = typing.get_type_hints(options)
    assert list(fields) == [name for name in parameters if name not in others]
    assert not [p for p in parameters.values() if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    # `typing.get_type_hints` needs the names that are imported for type checkers only.
    names = {**vars(typing), **vars(inspect.getmodule(function)), "NotesOptions": NotesOptions}
    names |= {"ChoraleOptions": ChoraleOptions, "EventsOptions": EventsOptions}
    own_defaults = {field.name: field.default for field in dataclasses.fields(options)}
    for name, hint in fields.items():
        annotation = eval(parameters[name].annotation, names)
        default = parameters[name].default
        if default is inspect.Parameter.empty:
            assert annotation == hint and own_defaults[name] is dataclasses.MISSING, name
        elif default is None:  # None stands for the default
            assert annotation in (hint, hint | None) or typing.get_origin(hint) is typing.Literal, name
        else:
            assert annotation == hint and default == own_defaults[name], name
