"""What every evaluation rule offers: measure one sequence, then put sequences together."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import ResultFiles

TruthT = TypeVar('TruthT')
ResultT = TypeVar('ResultT')


@dataclass(frozen=True, eq=False)
class Scores:
    """Numbers of one sequence or of all of them.

    values: by name; shares in [0, 1], never percent (except ``Rule.absolute``); nan where nothing counts.
    curves: by name, (n,) float64 each; what the values are read from.
    """

    values: Mapping[str, float]
    curves: Mapping[str, np.ndarray] = field(default_factory=dict)


class Part(ABC):
    """What a rule keeps of a sequence and a tracker: enough to put any selection of sequences together."""

    name: str

    @property
    @abstractmethod
    def scores(self) -> Scores:
        """Of this sequence alone; a column that only a total has, such as an error bar, may lack here."""

    @property
    def unit(self) -> str:
        """What a bootstrap draws: the sequence, where the benchmark does not say otherwise."""
        return self.name


class Rule(ABC, Generic[TruthT, ResultT]):
    """How a program turns ground truth and results into numbers. Frozen dataclasses derive from it.

    program: name and commit of the program whose numbers this rule reproduces.
    text: the rule in one line, for ``mmgtrack evaluate --list`` and for reports.
    columns: names of ``Scores.values`` in the order of the table; the first is the headline. A total has
        them all, and may have values beside them.
    has_curves: whether totals have curves to draw.
    absolute: names of all values, columns or not, that are no shares, such as counts or frames a second;
        they are printed as they are, never times 100.
    """

    columns: ClassVar[tuple[str, ...]]
    has_curves: ClassVar[bool] = True
    absolute: ClassVar[frozenset[str]] = frozenset()

    @property
    @abstractmethod
    def program(self) -> str: ...

    @property
    @abstractmethod
    def text(self) -> str: ...

    @abstractmethod
    def read(self, results: ResultFiles, truth: TruthT) -> ResultT:
        """The result of a sequence, as far as this rule looks at it.

        Raises DataError with file and line; MissingResultError where the sequence is not there.
        """

    @abstractmethod
    def measure(self, truth: TruthT, result: ResultT) -> Part:
        """One sequence. Raises DataError that names the sequence where the rule refuses a result."""

    def total(self, parts: Sequence[Any]) -> Scores:
        """All sequences together, in the order given; repeated parts count repeatedly.

        Raises DataError without any part.
        """
        if not parts:
            raise DataError('expected the numbers of at least one sequence, got none')
        return self._total(parts)

    @abstractmethod
    def _total(self, parts: Sequence[Any]) -> Scores:
        """``total`` of at least one part."""

    def without_errors(self) -> 'Rule[TruthT, ResultT]':
        """This rule without what costs time and a bootstrap has no use for, such as error bars.

        Its totals are the same numbers otherwise.
        """
        return self

    def notes(self, parts: Sequence[Any]) -> tuple[str, ...]:
        """What a reader of the total should know, one line each."""
        return ()
