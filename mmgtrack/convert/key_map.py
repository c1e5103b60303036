"""From the keys of an official state dict to ours, with every key accounted for."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmgtrack.errors import CheckpointError

Shape = Sequence[int]

_COUNTER = 'num_batches_tracked'  # of a batch norm: nothing reads it, and some files lack it


@dataclass(frozen=True)
class Rows:
    """The rows of an official layer that become ours, in our order.

    total: rows of the official tensors; kept: indices; why: what the others are good for, for the report.
    """

    total: int
    kept: tuple[int, ...]
    why: str = ''

    @property
    def others(self) -> list[int]:
        """Indices of the rows that are left out."""
        return [row for row in range(self.total) if row not in self.kept]


@dataclass(frozen=True)
class KeyMap:
    """Where each of our weights comes from.

    names: (regex for the start of our key, template of the official start), the first that fits; a key that
    none fits has the same name in both. rows: official layer -> its rows. dead: (regex for a whole official
    key, why it has no place in our model).
    """

    names: Sequence[tuple[str, str]]
    rows: Mapping[str, Rows] = field(default_factory=dict)
    dead: Sequence[tuple[str, str]] = ()

    def convert(self, official: Mapping[str, Tensor], expected: Mapping[str, Shape]) -> dict[str, Tensor]:
        """Our state dict: float32 copies (counters int64), in the order of ``expected``.

        official: with or without a leading ``module.``; expected: our keys and shapes. Only the counters of
        batch norms may be missing. Raises CheckpointError that lists all keys, by their official names,
        that are missing, unknown, of another shape, no plain floating-point tensors, or not finite.
        """
        weights = without_module(official)
        sources = {key: self.source_of(key) for key in expected}
        wanted = {source: self._official_shape(source, expected[key]) for key, source in sources.items()}
        _refuse(self._problems(weights, wanted))
        return {
            key: self._pick(source, weights[source]) for key, source in sources.items() if source in weights
        }

    def source_of(self, key: str) -> str:
        """The official name of one of our keys."""
        for start, official in self.names:
            name, fits = re.subn(rf'^(?:{start})(?=\.)', official, key)
            if fits:
                return name
        return key

    def left_out(self, official: Mapping[str, Tensor]) -> dict[str, str]:
        """What has no place in our model -> why: dead keys, and ``key[rows]`` for some rows of a key."""
        found: dict[str, str] = {}
        for name in without_module(official):
            rows, reason = self._rows_of(name), self._why_dead(name)
            if reason is not None:
                found[name] = reason
            elif rows is not None and rows.others:
                found[f'{name}[{",".join(map(str, rows.others))}]'] = rows.why
        return found

    def _problems(
        self, weights: Mapping[str, Tensor], wanted: Mapping[str, tuple[int, ...]]
    ) -> dict[str, list[str]]:
        """Kind of problem -> the keys that have it."""
        there = [name for name in weights if name in wanted]
        fitting = [name for name in there if tuple(weights[name].shape) == wanted[name]]
        plain = [name for name in fitting if _is_plain(name, weights[name])]
        return {
            'missing': [name for name in wanted if name not in weights and not name.endswith(_COUNTER)],
            'unknown': [name for name in weights if name not in wanted and self._why_dead(name) is None],
            'of another shape': [
                f'{name} is {tuple(weights[name].shape)} instead of {wanted[name]}'
                for name in there
                if name not in fitting
            ],
            'no plain floating-point tensor': [name for name in fitting if name not in plain],
            'not finite': [name for name in plain if not _as_ours(weights[name]).isfinite().all()],
        }

    def _official_shape(self, source: str, ours: Shape) -> tuple[int, ...]:
        rows = self._rows_of(source)
        if rows is None:
            return tuple(ours)
        if len(rows.kept) != ours[0]:
            raise CheckpointError(
                f'{source}: the model expects {ours[0]} rows, {len(rows.kept)} official ones are of use'
            )
        return (rows.total, *ours[1:])

    def _pick(self, source: str, weight: Tensor) -> Tensor:
        """A copy with a storage of its own: a view would drag the rows left out into the file."""
        rows = self._rows_of(source)
        picked = weight.detach() if rows is None else weight.detach()[list(rows.kept)]
        return _as_ours(picked).clone(memory_format=torch.contiguous_format)

    def _rows_of(self, source: str) -> Rows | None:
        return self.rows.get(source.rpartition('.')[0])

    def _why_dead(self, name: str) -> str | None:
        return next((reason for pattern, reason in self.dead if re.fullmatch(pattern, name)), None)


def without_module(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without the ``module.`` that every key of a model saved inside a data-parallel wrapper begins with."""
    prefix = 'module.' if all(name.startswith('module.') for name in weights) else ''
    return {name.removeprefix(prefix): weight for name, weight in weights.items()}


def _is_plain(name: str, weight: Tensor) -> bool:
    """A dense tensor of real numbers: floating ones, or whole ones where they count something."""
    dense = weight.layout is torch.strided and weight.device.type == 'cpu' and not weight.is_quantized
    return dense and (weight.is_floating_point() or (name.endswith(_COUNTER) and not weight.is_complex()))


def _as_ours(weight: Tensor) -> Tensor:
    return weight.float() if weight.is_floating_point() else weight.long()


def _refuse(problems: Mapping[str, list[str]]) -> None:
    """Raise CheckpointError if there is a problem, with all of them in one line."""
    parts = [
        f'{len(keys)} {"key" if len(keys) == 1 else "keys"} {kind}: {", ".join(map(_shown, keys))}'
        for kind, keys in problems.items()
        if keys
    ]
    if parts:
        raise CheckpointError('; '.join(parts))


def _shown(key: str) -> str:
    """The key as text that does nothing to a terminal."""
    return key if key.isprintable() else ascii(key)
