"""What a benchmark says about its sequences, read from its own files without any image."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

TruthT = TypeVar('TruthT')


@dataclass(frozen=True, eq=False)
class BoxTruth:
    """Annotated boxes of one sequence.

    name: of the sequence, as the benchmark's lists write it.
    boxes: (N, 4) float64 x, y, w, h as they are written; nan where the file says so.
    absent: (N,) bool, frames flagged as without the target; None where the benchmark has no flags.
    cover: (N,) float64, visible eighths of the target (GOT-10k); None elsewhere.
    image_size: (width, height) in pixels where the annotations give it.
    """

    name: str
    boxes: np.ndarray
    absent: np.ndarray | None = None
    cover: np.ndarray | None = None
    image_size: tuple[int, int] | None = None


class Annotations(ABC, Generic[TruthT]):
    """The annotations below one folder: names at once, contents when they are asked for.

    Raises DataError that says what the folder should hold where nothing is found.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Sequences that are there, in the benchmark's own order where it has one, otherwise sorted."""

    @abstractmethod
    def read(self, name: str) -> TruthT:
        """Raises DataError with file and line for whatever is missing or malformed."""
