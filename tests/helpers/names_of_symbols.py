"""Contexts, steps and relations by the names of their fields and symbols."""

from __future__ import annotations

from playbach.encodings.base import EncodedPiece, Encoding


def contexts_by_name(encoding: Encoding, piece: EncodedPiece) -> list[dict[str, str]]:
    """The context before each step, as names of fields and of their symbols."""
    return [
        {field.name: field.symbols[value] for field, value in zip(encoding.context, row, strict=True)}
        for row in piece.context.tolist()
    ]


def first_symbols(encoding: Encoding, piece: EncodedPiece) -> list[str]:
    """The name of each step's symbol in the first field."""
    return [encoding.fields[0].symbols[s] for s in piece.steps[:, 0]]


def related(encoding: Encoding, name: str, context_symbol: str, symbol: str) -> int:
    """The class of a context symbol and a step's symbol, by their names, in the relation of this name."""
    [relation] = [r for r in encoding.relations if r.name == name]
    row = encoding.context[relation.column].symbols.index(context_symbol)
    index = encoding.fields[relation.field].symbols.index(symbol)
    return int(relation.classes[row, relation.aspects[index]])
