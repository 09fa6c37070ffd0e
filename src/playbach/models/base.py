"""What every architecture promises: two faces that agree, `forward` over a whole sequence and `step` for one.

Knows shapes only: how many symbols each field and each context field has, and which classes pairs of them are in.
Knows nothing of music.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from playbach.encodings import Encoding
from playbach.encodings.relations import Relation
from playbach.system.errors import UsageError, demand_numbers

MOST = 8192
"""No size of a network is larger."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The number of symbols of each field (F of them) and of each context field (C, may be none), and how symbols
    stand to the context."""

    symbols: tuple[int, ...]
    context: tuple[int, ...]
    relations: tuple[Relation, ...] = ()

    @classmethod
    def of(cls, encoding: Encoding) -> Shape:
        return cls(tuple(map(len, encoding.fields)), tuple(map(len, encoding.context)), encoding.relations)


class Model(nn.Module, ABC):
    """Position t of `previous` holds the step before t (all V_f where the piece begins), position t of `context`
    what is known of step t; the logits at t are those of step t. So training can cut a piece anywhere."""

    name: ClassVar[str]
    Config: ClassVar[type[Any]]
    """A frozen dataclass of the architecture's own options."""
    shape: Shape

    def __init__(self, shape: Shape, config: Any = None) -> None:
        """A new network; `config` is an instance of `Config`, with its defaults where it is None."""
        super().__init__()
        self.shape = shape

    @abstractmethod
    def forward(self, previous: Tensor, context: Tensor) -> list[Tensor]:
        """previous (B, T, F), context (B, T, C), int64 -> F logits (B, T, V_f)."""

    @abstractmethod
    def initial_state(self, batch: int) -> list[Tensor]:
        """Tensors (B, …) of fixed size that stand for having seen nothing."""

    @abstractmethod
    def step(self, previous: Tensor, context: Tensor, state: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """previous (B, F), context (B, C), int64, and a state -> F logits (B, V_f) and the next state."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """What the constructor needs besides the shape, as JSON."""

    def parameter_count(self) -> int:
        return sum(p.numel() for p in self.parameters())

    @torch.no_grad()
    def adopt(self, old: Model) -> None:
        """Take over what a network of the same architecture and options has learnt. It may have known fewer symbols
        of a field or a context field: the others' numbers must be the same, and a new one begins as UNKNOWN is."""
        _adopt(self, old)


def _adopt(mine: nn.Module, old: nn.Module) -> None:
    if isinstance(mine, Table):
        mine.adopt(old)
        return
    for parameter, other in zip(mine.parameters(recurse=False), old.parameters(recurse=False), strict=True):
        parameter.copy_(other)
    for part, other_part in zip(mine.children(), old.children(), strict=True):
        _adopt(part, other_part)


class Table(nn.Module, ABC):
    """What has a row for each symbol."""

    @abstractmethod
    def adopt(self, old: nn.Module) -> None:
        """See `Model.adopt`."""


def kept_rows(new: int, old: int, start: bool = False) -> list[int]:
    """For each of `new` symbols the number that it had among `old` ones; UNKNOWN's where it is new. With `start` both
    have one more after the last, which stands for the beginning."""
    return [*(i if i < old else 0 for i in range(new)), *([old] if start else [])]


class Lookup(Table):
    """An embedding for each symbol."""

    def __init__(self, symbols: int, size: int, start: bool = False) -> None:
        super().__init__()
        self.symbols, self.start = symbols, start
        self.weight = nn.Parameter(torch.empty(symbols + start, size).normal_())

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.embedding(x, self.weight)

    def adopt(self, old: nn.Module) -> None:
        assert isinstance(old, Lookup)
        self.weight.copy_(old.weight[kept_rows(self.symbols, old.symbols, self.start)])


class Scores(nn.Linear, Table):
    """A score for each symbol."""

    def adopt(self, old: nn.Module) -> None:
        assert isinstance(old, Scores)
        rows = kept_rows(self.out_features, old.out_features)
        self.weight.copy_(old.weight[rows])
        self.bias.copy_(old.bias[rows])


class Embeddings(nn.Module):
    """One embedding for each field's previous symbol and each context field, side by side."""

    def __init__(self, shape: Shape, size: int, context_size: int) -> None:
        super().__init__()
        self.fields = nn.ModuleList(Lookup(v, size, start=True) for v in shape.symbols)
        self.context = nn.ModuleList(Lookup(v, context_size) for v in shape.context)
        self.size = size * len(shape.symbols) + context_size * len(shape.context)

    def forward(self, previous: Tensor, context: Tensor) -> Tensor:
        """(…, F) and (…, C) -> (…, size)."""
        parts = [embed(previous[..., i]) for i, embed in enumerate(self.fields)]
        parts += [embed(context[..., i]) for i, embed in enumerate(self.context)]
        return torch.cat(parts, dim=-1)


class OneHot(nn.Module):
    """Each field's previous symbol as a row of noughts with a single one, and an embedding for each context field."""

    def __init__(self, shape: Shape, context_size: int) -> None:
        super().__init__()
        self.sizes = [v + 1 for v in shape.symbols]
        self.context = nn.ModuleList(Lookup(v, context_size) for v in shape.context)
        self.size = sum(self.sizes) + context_size * len(shape.context)

    def forward(self, previous: Tensor, context: Tensor) -> Tensor:
        """(…, F) and (…, C) -> (…, size)."""
        parts = [_onehot(previous[..., i, None], size) for i, size in enumerate(self.sizes)]
        parts += [embed(context[..., i]) for i, embed in enumerate(self.context)]
        return torch.cat(parts, dim=-1)

    def columns(self, old: OneHot) -> list[int]:
        """For each element of what it gives, the place that it had when there were fewer symbols (`kept_rows`)."""
        found: list[int] = []
        first = 0
        for new, known in zip(self.sizes, old.sizes):
            found += [first + i for i in kept_rows(new - 1, known - 1, start=True)]
            first += known
        return found + list(range(first, old.size))


def _onehot(x: Tensor, size: int) -> Tensor:
    """(…, 1) whole numbers below `size` -> (…, size). Not torch's own, which every runtime would have to have."""
    numbers = torch.arange(size, device=x.device)
    if torch.compiler.is_exporting():  # a converter sees through a comparison
        return torch.relu(1 - (x.float() - numbers.float()).abs())
    return (x == numbers).float()


class SummedEmbeddings(Table):
    """One embedding for each field's previous symbol and each context field, added up."""

    def __init__(self, shape: Shape, width: int, dropout: float = 0.0) -> None:
        """`dropout` is the share of whole symbols that training leaves out, so that none is relied on alone."""
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

    def adopt(self, old: nn.Module) -> None:
        assert isinstance(old, SummedEmbeddings)
        mine, theirs = self.shape, old.shape
        rows = [kept_rows(new, known, start=True) for new, known in zip(mine.symbols, theirs.symbols)]
        rows += [kept_rows(new, known) for new, known in zip(mine.context, theirs.context)]
        places = [first + i for first, block in zip(old.offsets.tolist(), rows) for i in block]
        self.table.weight.copy_(old.table.weight[places])


class Dropout(nn.Module):
    """Dropout of a share in 256ths. torch's own draws a number for each element, which on a CPU takes as long as all
    of a small network's matrix products; a byte each is enough."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.dropped = round(share * 256)

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.dropped:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device).random_(-(1 << 63), None)
        kept = words.view(torch.uint8)[: x.numel()].view(x.shape) >= self.dropped
        return x * (kept.to(x.dtype) * (256 / (256 - self.dropped)))


class Heads(nn.Module):
    """A score for each symbol of each field. Where the encoding knows relations, the score of each one's class is
    added: what is learnt of an interval holds for every pitch."""

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.relations = shape.relations
        self.symbols = nn.ModuleList(Scores(width, v) for v in shape.symbols)
        self.classes = nn.ModuleList(_zeroed(Scores(width, len(r))) for r in shape.relations)
        # Relations share tables; each is kept, and exported, once.
        distinct = {id(table): table for r in shape.relations for table in (r.classes, r.aspects)}
        names = {key: f"table_{i}" for i, key in enumerate(distinct)}
        for key, table in distinct.items():
            self.register_buffer(names[key], torch.from_numpy(table), persistent=False)
        self._tables = [(names[id(r.classes)], names[id(r.aspects)]) for r in shape.relations]

    def forward(self, x: Tensor, context: Tensor) -> list[Tensor]:
        """x (…, width), context (…, C) -> F logits (…, V_f)."""
        return self.together(self.apart(x), context)

    def tables_as_floats(self) -> None:
        """The classes of relations as floats, in which they are whole, too, for a runtime that looks up nothing
        else."""
        for table, _ in self._tables:
            setattr(self, table, getattr(self, table).float())

    def apart(self, x: Tensor) -> list[Tensor]:
        """x (…, width) -> scores of each field's symbols (…, V_f), then of each relation's classes (…, K)."""
        return [head(x) for head in (*self.symbols, *self.classes)]

    def together(self, apart: list[Tensor], context: Tensor) -> list[Tensor]:
        """What `apart` gives and context (…, C) -> F logits (…, V_f): looked up and added, nothing learnt."""
        logits, of_classes = apart[: len(self.symbols)], apart[len(self.symbols) :]
        scores: dict[tuple[int, str], Tensor] = {}  # by field and kind of aspect: of each aspect (…, A)
        for relation, classes, (table, aspects) in zip(self.relations, of_classes, self._tables):
            known = getattr(self, table)[context[..., relation.column]]
            added = classes.gather(-1, known.long())
            key = (relation.field, aspects)
            scores[key] = scores[key] + added if key in scores else added
        for (field, aspects), score in scores.items():
            logits[field] = logits[field] + score[..., getattr(self, aspects)]
        return logits


def demand_sizes(config: Any, *names: str) -> None:
    """Raises UsageError where a size in a network's options is not a whole number that a network can have."""
    demand_numbers(config, *names, whole=True)
    for name in names:
        if not 1 <= getattr(config, name) <= MOST:
            raise UsageError(f"{name} must lie between 1 and {MOST}, not {getattr(config, name)!r:.40}")


def demand_shares(config: Any, *names: str) -> None:
    """Raises UsageError where an option that is a share does not lie in [0, 1)."""
    demand_numbers(config, *names)
    for name in names:
        if not 0 <= getattr(config, name) < 1:
            raise UsageError(f"{name} must be at least 0 and less than 1, not {getattr(config, name)!r:.40}")


def _zeroed(linear: nn.Linear) -> nn.Linear:
    """Says nothing until it has learnt something."""
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return linear
