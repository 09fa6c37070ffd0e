"""The tiny bundle composes exactly what it composed when it was made (golden/make.py)."""

from __future__ import annotations

from golden import make


def test_the_tiny_bundle_composes_what_it_did() -> None:
    midi, plain = make.composed()
    assert plain == make.PLAIN.read_text("utf-8")
    assert midi == make.PIECE.read_bytes()
