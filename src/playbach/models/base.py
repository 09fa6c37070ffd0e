"""The interface of every architecture, `forward` over a whole sequence and `step` for a single step, which give the
same logits; and the layers that the architectures share.

Knows shapes only: the number of symbols of each field and context field, and the relations between them. Knows
nothing of music.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playbach.encodings.base import Encoding
from playbach.encodings.relations import Relation

RARER = 4.0
"""In nats: how much less probable a new symbol is than the symbol that it resembles, before it has been learnt."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a network must know of an encoding."""

    symbols: tuple[int, ...]
    """The number of symbols V_f of each of the F fields."""
    context: tuple[int, ...]
    """The number of symbols of each of the C context fields; C may be 0."""
    relations: tuple[Relation, ...] = ()
    """How the symbols of a field relate to those of a context field."""
    similar: tuple[tuple[int, ...], ...] = ()
    """For each field, the symbol that each symbol resembles (`Encoding.similar_symbols`); 0 for none."""

    @classmethod
    def of(cls, encoding: Encoding) -> Shape:
        return cls(
            symbols=tuple(map(len, encoding.fields)),
            context=tuple(map(len, encoding.context)),
            relations=encoding.relations,
            similar=tuple(tuple(of_field.tolist()) for of_field in encoding.similar_symbols()),
        )


class Model(nn.Module, ABC):
    """A network that predicts the next step. Position t of `previous` holds the step before t (V_f in every field at
    the start of a piece), position t of `context` holds the context of step t, and the logits at t are those of step
    t. Training can therefore cut a piece anywhere."""

    name: ClassVar[str]
    shape: Shape

    def __init__(self, shape: Shape, config: Any = None) -> None:
        """A new network; `config` is an instance of its entry's `options`, or None for the defaults."""
        super().__init__()
        self.shape = shape

    @abstractmethod
    def forward(self, previous: Tensor, context: Tensor) -> list[Tensor]:
        """previous (B, T, F), context (B, T, C), int64 -> F logits (B, T, V_f)."""

    @abstractmethod
    def initial_state(self, batch: int) -> list[Tensor]:
        """The state before the first step: tensors (B, …) of fixed size."""

    @abstractmethod
    def step(self, previous: Tensor, context: Tensor, state: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """previous (B, F), context (B, C), int64, and a state -> F logits (B, V_f) and the next state."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The constructor's arguments besides the shape, as JSON."""

    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    @torch.no_grad()
    def copy_weights_from(self, old: Model) -> None:
        """Copy the weights of a network with the same architecture and options. It may have fewer symbols in a field
        or a context field. Its symbols must have the same indices here. A new symbol gets the weights of the
        symbol that it resembles, but is rarer, or else UNKNOWN's weights."""
        _copy_weights(self, old)
        for field, (similar, known) in enumerate(zip(self.shape.similar, old.shape.symbols)):
            new = [i for i in range(known, len(similar)) if 0 < similar[i] < known]
            for part in self.modules():
                if isinstance(part, Embeddings | SummedEmbeddings | Heads):
                    part.copy_rows(field, new, [similar[i] for i in new])


def _copy_weights(mine: nn.Module, old: nn.Module) -> None:
    if isinstance(mine, SymbolTable):
        mine.copy_weights_from(old)
        return
    for parameter, other in zip(mine.parameters(recurse=False), old.parameters(recurse=False), strict=True):
        parameter.copy_(other)
    longer = isinstance(mine, nn.ModuleList)  # there may be new context fields and relations, after the old ones
    for part, other_part in zip(mine.children(), old.children(), strict=not longer):
        _copy_weights(part, other_part)


class SymbolTable(nn.Module, ABC):
    """A layer whose weights have a row for each symbol."""

    @abstractmethod
    def copy_weights_from(self, old: nn.Module) -> None:
        """See `Model.copy_weights_from`."""


def old_rows(new: int, old: int, start: bool = False) -> list[int]:
    """For each of `new` symbols, its row in a table of `old` symbols: UNKNOWN's row where the symbol is new. With
    `start`, both tables end with a row for the start symbol."""
    return [*(i if i < old else 0 for i in range(new)), *([old] if start else [])]


class SymbolEmbedding(SymbolTable):
    """An embedding for each symbol."""

    def __init__(self, symbols: int, size: int, start: bool = False) -> None:
        super().__init__()
        self.symbols, self.start = symbols, start
        self.weight = nn.Parameter(torch.empty(symbols + start, size).normal_())

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.embedding(x, self.weight)

    def copy_weights_from(self, old: nn.Module) -> None:
        assert isinstance(old, SymbolEmbedding)
        self.weight.copy_(old.weight[old_rows(self.symbols, old.symbols, self.start)])


class SymbolScores(nn.Linear, SymbolTable):
    """A score for each symbol."""

    def copy_weights_from(self, old: nn.Module) -> None:
        assert isinstance(old, SymbolScores)
        rows = old_rows(self.out_features, old.out_features)
        self.weight.copy_(old.weight[rows])
        self.bias.copy_(old.bias[rows])


class Embeddings(nn.Module):
    """An embedding for each field's previous symbol and for each context field, concatenated."""

    def __init__(self, shape: Shape, size: int, context_size: int) -> None:
        super().__init__()
        self.fields = nn.ModuleList(SymbolEmbedding(v, size, start=True) for v in shape.symbols)
        self.context = nn.ModuleList(SymbolEmbedding(v, context_size) for v in shape.context)
        self.size = size * len(shape.symbols) + context_size * len(shape.context)

    def copy_rows(self, field: int, to: list[int], of: list[int]) -> None:
        """Give some symbols of a field the embeddings of others."""
        embedding = self.fields[field]
        assert isinstance(embedding, SymbolEmbedding)
        embedding.weight[to] = embedding.weight[of]

    def forward(self, previous: Tensor, context: Tensor) -> Tensor:
        """(…, F) and (…, C) -> (…, size)."""
        parts = [embed(previous[..., i]) for i, embed in enumerate(self.fields)]
        parts += [embed(context[..., i]) for i, embed in enumerate(self.context)]
        return torch.cat(parts, dim=-1)


class OneHot(nn.Module):
    """A one-hot vector for each field's previous symbol, and an embedding for each context field, concatenated."""

    def __init__(self, shape: Shape, context_size: int) -> None:
        super().__init__()
        self.sizes = [v + 1 for v in shape.symbols]
        self.context = nn.ModuleList(SymbolEmbedding(v, context_size) for v in shape.context)
        self.size = sum(self.sizes) + context_size * len(shape.context)

    def forward(self, previous: Tensor, context: Tensor) -> Tensor:
        """(…, F) and (…, C) -> (…, size)."""
        parts = [_onehot(previous[..., i, None], size) for i, size in enumerate(self.sizes)]
        parts += [embed(context[..., i]) for i, embed in enumerate(self.context)]
        return torch.cat(parts, dim=-1)

    def old_columns(self, old: OneHot) -> list[int]:
        """For each element of the output, its index in the output of `old`, which has fewer symbols (`old_rows`)."""
        columns: list[int] = []
        first = 0
        for new_size, old_size in zip(self.sizes, old.sizes):
            columns += [first + i for i in old_rows(new_size - 1, old_size - 1, start=True)]
            first += old_size
        return columns + list(range(first, old.size))


def _onehot(x: Tensor, size: int) -> Tensor:
    """(…, 1) integers below `size` -> (…, size). torch's own operator is not used: not every runtime has it."""
    numbers = torch.arange(size, device=x.device)
    if torch.compiler.is_exporting():  # the converters would turn a comparison back into that operator
        return torch.relu(1 - (x.float() - numbers.float()).abs())
    return (x == numbers).float()


class SummedEmbeddings(SymbolTable):
    """The sum of an embedding for each field's previous symbol and for each context field."""

    def __init__(self, shape: Shape, width: int, dropout: float = 0.0) -> None:
        """`dropout` is the fraction of whole embeddings dropped during training, so that the network does not rely on
        a single one."""
        super().__init__()
        self.dropout = dropout
        self.shape = shape
        sizes = [*(v + 1 for v in shape.symbols), *shape.context]
        self.table = nn.Embedding(sum(sizes), width)
        nn.init.normal_(self.table.weight, std=0.1)
        self.offsets: Tensor
        self.register_buffer("offsets", torch.tensor([0, *sizes[:-1]]).cumsum(0), persistent=False)

    def forward(self, previous: Tensor, context: Tensor) -> Tensor:
        """(…, F) and (…, C) -> (…, width)."""
        rows = torch.cat([previous, context], dim=-1) + self.offsets
        shape = rows.shape[:-1]
        if torch.compiler.is_exporting():
            summed: Tensor = self.table(rows).sum(-2)
            return summed
        rows, weights = rows.flatten(0, -2), None
        if self.training and self.dropout:
            kept = torch.rand(rows.shape, device=rows.device) >= self.dropout
            weights = kept.to(self.table.weight.dtype) / (1 - self.dropout)
        bags: Tensor = nn.functional.embedding_bag(rows, self.table.weight, per_sample_weights=weights, mode="sum")
        return bags.view(*shape, -1)

    def copy_rows(self, field: int, to: list[int], of: list[int]) -> None:
        """Give some symbols of a field the embeddings of others."""
        first = int(self.offsets[field])
        self.table.weight[[first + i for i in to]] = self.table.weight[[first + i for i in of]]

    def copy_weights_from(self, old: nn.Module) -> None:
        assert isinstance(old, SummedEmbeddings)
        rows = [old_rows(new, n, start=True) for new, n in zip(self.shape.symbols, old.shape.symbols)]
        rows += [old_rows(new, n) for new, n in zip(self.shape.context, old.shape.context)]
        table_rows = [first + i for first, block in zip(old.offsets.tolist(), rows) for i in block]
        self.table.weight.copy_(old.table.weight[table_rows])


class Dropout(nn.Module):
    """Dropout with a fraction rounded to 256ths, from one random byte for each element. On a CPU, torch's own random
    numbers take as long as all matrix products of a small network."""

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.dropped = round(fraction * 256)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.dropped:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device).random_(-(1 << 63), None)
        kept = words.view(torch.uint8)[: x.numel()].view(x.shape) >= self.dropped
        return x * (kept.to(x.dtype) * (256 / (256 - self.dropped)))


class Heads(nn.Module):
    """A score for each symbol of each field. For each relation of the encoding, the score of the symbol's class is
    added: what the network learns about an interval holds for every pitch."""

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.relations = shape.relations
        self.symbols = nn.ModuleList(SymbolScores(width, v) for v in shape.symbols)
        self.classes = nn.ModuleList(_zeroed(SymbolScores(width, len(r))) for r in shape.relations)
        # Relations share tables; each table is stored, and exported, once.
        distinct = {id(table): table for r in shape.relations for table in (r.classes, r.aspects)}
        names = {key: f"table_{i}" for i, key in enumerate(distinct)}
        for key, table in distinct.items():
            self.register_buffer(names[key], torch.from_numpy(table), persistent=False)
        self._tables = [(names[id(r.classes)], names[id(r.aspects)]) for r in shape.relations]

    def forward(self, x: Tensor, context: Tensor) -> list[Tensor]:
        """x (…, width), context (…, C) -> F logits (…, V_f)."""
        return self.combine(self.scores(x), context)

    def copy_rows(self, field: int, to: list[int], of: list[int]) -> None:
        """Give some symbols of a field the scores of others, less RARER."""
        scores = self.symbols[field]
        assert isinstance(scores, SymbolScores)
        scores.weight[to] = scores.weight[of]
        scores.bias[to] = scores.bias[of] - RARER

    def tables_as_floats(self) -> None:
        """Store the classes of relations as floats, for a runtime that can only look up floats."""
        for table, _ in self._tables:
            setattr(self, table, getattr(self, table).float())

    def scores(self, x: Tensor) -> list[Tensor]:
        """x (…, width) -> scores of each field's symbols (…, V_f), then of each relation's classes (…, K)."""
        return [head(x) for head in (*self.symbols, *self.classes)]

    def combine(self, scores: list[Tensor], context: Tensor) -> list[Tensor]:
        """The result of `scores` and context (…, C) -> F logits (…, V_f). Only looks up and adds; has no weights."""
        logits, class_scores = scores[: len(self.symbols)], scores[len(self.symbols) :]
        totals: dict[tuple[int, str], Tensor] = {}  # by field and table of aspects: a score for each aspect (…, A)
        for relation, of_classes, (table, aspects) in zip(self.relations, class_scores, self._tables):
            classes = getattr(self, table)[context[..., relation.column]]
            added = of_classes.gather(-1, classes.long())
            key = (relation.field, aspects)
            totals[key] = totals[key] + added if key in totals else added
        for (field, aspects), total in totals.items():
            logits[field] = logits[field] + total[..., getattr(self, aspects)]
        return logits


def _zeroed(linear: nn.Linear) -> nn.Linear:
    """The layer with all weights 0, so that it adds nothing before it has learnt something."""
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
