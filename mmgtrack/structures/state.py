"""What a tracker remembers of its targets: a frozen value that can be saved, joined and split."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from typing_extensions import Self

from mmgtrack.errors import StateError
from mmgtrack.files import replacing
from mmgtrack.registry import MODELS

FORMAT = 1
_STATIC = ('model', 'fingerprint')  # same for all targets; every other field has one entry a target


@dataclass(frozen=True)
class State:
    """State of M targets; one subclass a tracker.

    model, fingerprint: which model made it; a state of another model is refused.
    age: (M,) int64, frames seen since each target's own start.
    boxes: (M, 4) float xyxy pixels, the last hypothesis.

    Every further field of a subclass is either a tensor whose first dimension is M, or a tuple of M
    values, each a tensor or a (nested) tuple of tensors (ragged: tracklets, sample stores). Moving,
    saving, adding and keeping are written here, once.
    """

    model: str
    fingerprint: str
    age: Tensor
    boxes: Tensor

    kinds: ClassVar[dict[str, type['State']]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        State.kinds[cls.__name__] = cls
        if '__repr__' not in cls.__dict__:  # dataclass would write one that prints every number
            cls.__repr__ = State.__repr__  # type: ignore[method-assign]

    def __len__(self) -> int:
        """Number of targets M."""
        return len(self.age)

    def __repr__(self) -> str:
        """One line: the model, how many targets, and the shapes of what is remembered of them."""
        leaves = {name: getattr(self, name) for name in self._leaf_names()}
        shapes = [f'{n} {tuple(v.shape) if isinstance(v, Tensor) else len(v)}' for n, v in leaves.items()]
        return f'{type(self).__name__}({self.model!r}, {len(self)} targets: {", ".join(shapes)})'

    def add(self, other: 'State') -> Self:
        """These targets followed by those of ``other``; both must come from the same model."""
        return self.cat([self, other])

    def keep(self, targets: Sequence[int]) -> Self:
        """Only the targets with these indices, in this order."""
        chosen = list(targets)
        bad = [t for t in chosen if not _is_index(t, len(self))]
        if bad:
            raise StateError(f'targets to keep must be whole numbers in 0..{len(self) - 1}, got {bad}')
        index = torch.tensor([int(t) for t in chosen], dtype=torch.long)

        def pick(leaf: Any) -> Any:
            if isinstance(leaf, Tensor):
                return leaf[index.to(leaf.device)]
            return tuple(leaf[t] for t in index.tolist())

        return self._map(pick)

    def to(self, target: torch.device | str | torch.dtype) -> Self:
        """The same state on another device, or with another floating dtype."""
        return self._map(lambda leaf: _convert(leaf, target))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file that ``State.load`` reads; a half-written file never takes the name."""
        content: dict[str, Any] = {'format': FORMAT, 'kind': type(self).__name__}
        content |= {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        with replacing(path) as file:
            torch.save(content, file)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> 'State':
        """Read a state written by ``save``, on the CPU; nothing in the file is executed."""
        try:
            content = torch.load(path, map_location='cpu', weights_only=True)
        except FileNotFoundError as error:
            raise StateError(f'no state file {path}') from error
        except Exception as error:  # torch raises many kinds for a damaged or foreign file
            # torch's own text advises to execute the file
            raise StateError(
                f'{path} is not a tracking state, or a damaged one ({type(error).__name__}); '
                'expected a file that State.save wrote'
            ) from error
        if not isinstance(content, dict) or content.get('format') != FORMAT:
            raise StateError(f'{path} is not a tracking state of format {FORMAT}')
        kind = content.get('kind')
        if kind not in State.kinds:
            _import_trackers()
        if kind not in State.kinds:
            raise StateError(f'{path} holds a state of unknown kind {kind!r}')
        cls = State.kinds[kind]
        missing = [f.name for f in fields(cls) if f.name not in content]
        if missing:
            raise StateError(f'{path} lacks the fields {missing} of {kind}')
        state = cls(**{f.name: _tuples(content[f.name]) for f in fields(cls)})
        state._check_leaves(path)
        return state

    @classmethod
    def cat(cls, states: Sequence['State']) -> Self:
        """Join states of the same model along the targets."""
        first, device = states[0], states[0].age.device
        for state in states[1:]:
            first.check_same(type(state), state.model, state.fingerprint)
        states = [state.to(device) for state in states]
        joined: dict[str, Any] = {}
        for name in first._leaf_names():
            leaves = [getattr(s, name) for s in states]
            if isinstance(leaves[0], Tensor):
                joined[name] = torch.cat(leaves)
            else:
                joined[name] = tuple(value for leaf in leaves for value in leaf)
        return cast(Self, replace(first, **joined))

    def split(self, counts: Sequence[int]) -> list[Self]:
        """Undo ``cat``: one state for each number of targets."""
        ends = torch.tensor(counts).cumsum(0).tolist()
        slices = [slice(end - count, end) for count, end in zip(counts, ends, strict=True)]
        return [self._map(lambda leaf, part=part: leaf[part]) for part in slices]

    def check_same(self, kind: type['State'], model: str, fingerprint: str) -> None:
        """Refuse if this state was not made by that model."""
        if not isinstance(self, kind) or (self.model, self.fingerprint) != (model, fingerprint):
            raise StateError(
                f'the state was made by model {self.model!r} ({self.fingerprint[:8]}), this is '
                f'{model!r} ({fingerprint[:8]}): encode the targets again'
            )

    def _check_leaves(self, path: str | os.PathLike[str]) -> None:
        """Refuse a file whose fields do not describe the same number of targets."""
        count = self.age.numel() if isinstance(self.age, Tensor) else -1
        leaves = {name: getattr(self, name) for name in self._leaf_names()}
        wrong = [n for n, v in leaves.items() if not isinstance(v, (Tensor, tuple)) or len(v) != count]
        if wrong:
            raise StateError(f'{path} is damaged: the fields {wrong} do not hold one value a target')

    def _leaf_names(self) -> list[str]:
        return [f.name for f in fields(self) if f.name not in _STATIC]

    def _map(self, function: Any) -> Self:
        return replace(self, **{name: function(getattr(self, name)) for name in self._leaf_names()})


def _is_index(value: Any, count: int) -> bool:
    """Whether it is a whole number in 0..count - 1; a mask's True and False are none."""
    number = value.item() if isinstance(value, Tensor) and value.ndim == 0 else value
    return isinstance(number, Integral) and not isinstance(number, bool) and 0 <= int(number) < count


def _convert(leaf: Any, target: torch.device | str | torch.dtype) -> Any:
    if isinstance(leaf, tuple):
        return tuple(_convert(value, target) for value in leaf)
    if isinstance(target, torch.dtype) and not leaf.is_floating_point():
        return leaf
    return leaf.to(target)


def _plain(value: Any) -> Any:
    """Tensors off their device and without the storage they are views of; tuples as lists."""
    if isinstance(value, Tensor):
        return value.detach().cpu().clone()
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value


def _import_trackers() -> None:
    """State classes are defined beside their trackers, which the registry imports on demand."""
    MODELS.import_from_location()
