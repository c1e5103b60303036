"""The rule that the GOT-10k toolkit has for benchmarks other than GOT-10k: OTB and its kin."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.rules.base import Scores
from mmgtrack.evaluation.rules.boxes import centres, lengths
from mmgtrack.evaluation.rules.one_pass import (
    COLUMNS,
    COLUMNS_WITHOUT_NORMALISED,
    ERRORS,
    FrameErrors,
    OnePassPart,
    OnePassRule,
    shares_above,
    shares_within,
)

OVERLAPS = np.linspace(0, 1, 21)
NORMALISED_ERRORS = np.linspace(0, 0.5, 51)
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Got10kToolkitRule(OnePassRule):
    """ExperimentOTB and its kin: NfS, TColor-128, DTB70, UAV123.

    1. Row 0 of the result becomes the truth; the longer of both is cut to the shorter, so frames that a
       short result lacks are not counted at all.
    2. No frame is judged invalid: a truth without size has IoU 0 and an ordinary centre error.
    3. Curves are shares of the remaining frames; every sequence counts the same.

    drops_nan: frames whose truth has a nan are not counted (UAV123); otherwise they are misses.
    """

    drops_nan: bool = False

    columns: ClassVar[tuple[str, ...]] = COLUMNS_WITHOUT_NORMALISED

    @property
    def program(self) -> str:
        return 'got-10k/toolkit @ 956e728'

    @property
    def text(self) -> str:
        nan = 'not counted' if self.drops_nan else 'misses'
        return (
            f'frames with a nan in the truth are {nan}; absence flags are not looked at; a truth without '
            'size is an ordinary frame of IoU 0; truth and result are cut to the shorter; divided by the '
            'frames that are left; row 0 is the truth; 21 overlap thresholds, IoU > t; mean of sequences'
        )

    def measure(self, truth: BoxTruth, result: np.ndarray) -> OnePassPart:
        """Curves are nan where no frame counts, and so is then the mean of sequences, as in the program."""
        with np.errstate(invalid='ignore'):
            return self._part(truth.name, self._frames(truth, result))

    def _frames(self, truth: BoxTruth, result: np.ndarray) -> FrameErrors:
        count = min(len(truth.boxes), len(result))
        boxes = np.concatenate([truth.boxes[:1], result[1:count]])
        counted = np.ones(count, dtype=bool)
        if self.drops_nan:
            counted = ~np.isnan(truth.boxes[:count]).any(axis=1)
        return frame_errors(boxes[:count][counted], truth.boxes[:count][counted])

    def _part(self, name: str, frames: FrameErrors) -> OnePassPart:
        return OnePassPart(
            name,
            OVERLAPS,
            shares_above(frames.overlaps, OVERLAPS, len(frames.overlaps)),
            shares_within(frames.errors, ERRORS, len(frames.errors)),
            None,
            frames,
        )


class NormalisedPart(OnePassPart):
    """Whose normalised precision is the mean of its curve, elsewhere the value at 0.2."""

    @property
    def scores(self) -> Scores:
        return with_mean_of_normalised(super().scores)


@dataclass(frozen=True)
class Got10kToolkitLasotRule(Got10kToolkitRule):
    """ExperimentLaSOT: as above, with a normalised precision that is the *mean* of its curve.

    Normalised errors are divided by the width and height of the truth, by 1 where those are smaller.
    """

    drops_nan: bool = True

    columns = COLUMNS

    @property
    def text(self) -> str:
        return f'{super().text}; normalised precision is the mean of its curve'

    def _total(self, parts: Sequence[OnePassPart]) -> Scores:
        return with_mean_of_normalised(super()._total(parts))

    def _part(self, name: str, frames: FrameErrors) -> OnePassPart:
        part = super()._part(name, frames)
        assert frames.normalised_errors is not None
        normalised = shares_within(frames.normalised_errors, NORMALISED_ERRORS, len(frames.errors))
        return NormalisedPart(name, OVERLAPS, part.success, part.precision, normalised, frames)


def with_mean_of_normalised(scores: Scores) -> Scores:
    """Scores whose normalised precision is the mean of the curve."""
    mean = float(scores.curves['norm_precision'].mean())
    return Scores({**scores.values, 'norm_precision': mean}, scores.curves)


def frame_errors(boxes: np.ndarray, truth: np.ndarray) -> FrameErrors:
    """Of (n, 4) x, y, w, h; nan where one side has it."""
    shifts = centres(boxes) - centres(truth)
    return FrameErrors(overlaps(boxes, truth), lengths(shifts), lengths(shifts / np.maximum(1, truth[:, 2:])))


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n,) IoU of rows x, y, w, h, kept within [0, 1]; the union has a small number added against 0 / 0."""
    low = np.maximum(boxes[:, :2], others[:, :2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=1)
    union = boxes[:, 2:].prod(axis=1) + others[:, 2:].prod(axis=1) - shared
    return np.clip(shared / (union + EPSILON), 0, 1)
