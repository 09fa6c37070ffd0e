"""Lines that say what was left out of a file or changed. Knows nothing of MIDI."""

from __future__ import annotations

_ONE = {"s": "", "has": "has", "is": "is", "it": "it"}
_MANY = {"s": "s", "has": "have", "is": "are", "it": "each"}


def say(*found: tuple[int, str]) -> tuple[str, ...]:
    """The sentences whose number is not 0.

    In a sentence, `{n}` stands for the number; `{s}`, `{has}`, `{is}` and `{it}` agree with it.
    """
    return tuple(sentence.format(n=f"{n:,}", **(_ONE if n == 1 else _MANY)) for n, sentence in found if n)
