"""The MATLAB programs of LaSOT and OTB, to the last bit: the order of operations here is theirs."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.rules.base import Scores
from mmgtrack.evaluation.rules.boxes import centre_errors, normalised_centre_errors, overlaps
from mmgtrack.evaluation.rules.one_pass import (
    COLUMNS_WITHOUT_NORMALISED,
    INVALID,
    OVERLAPS_21,
    FrameErrors,
    OnePassPart,
    OnePassRule,
    curves_of,
    read_curves,
)

EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class MatlabRule(OnePassRule):
    """What both programs do; the classes below say in what they differ.

    1. A result that is longer than the truth is cut; one that is shorter stops the program, here DataError.
    2. From row 1 on, a broken row becomes the row before it, unless the truth of the frame has a nan.
    3. Row 0 becomes the truth.
    4. A truth is valid if x, y, w and h are positive. Invalid frames miss every overlap threshold and are
       *hits* at every error threshold.
    5. Curves are divided by the number of annotated frames.
    6. A curve that is zero everywhere is left out of the mean of that curve. (With one sequence left the
       programs average over thresholds instead, a slip of MATLAB's ``mean`` that is not repeated here.)
    """

    @abstractmethod
    def broken(self, result: np.ndarray) -> np.ndarray:
        """(N,) bool: which rows of the (N, 4) result have to be replaced."""

    def kept(self, truth: BoxTruth) -> np.ndarray:
        """(N,) bool: frames that are looked at. The others stay in the denominator."""
        return np.ones(len(truth.boxes), dtype=bool)

    def compared(self, truth: BoxTruth, result: np.ndarray) -> np.ndarray:
        """(N, 4) what is compared with the truth: the result by steps 1 to 3."""
        boxes = cut_to(truth, result)
        boxes = repaired(boxes, self.broken(boxes) & ~np.isnan(truth.boxes).any(axis=1))
        boxes[0] = truth.boxes[0]
        return boxes

    def measure(self, truth: BoxTruth, result: np.ndarray) -> OnePassPart:
        boxes, kept = self.compared(truth, result), self.kept(truth)
        with np.errstate(invalid='ignore', divide='ignore'):
            frames = frame_errors(truth.boxes[kept], boxes[kept], 'norm_precision' in self.columns)
        return curves_of(truth.name, frames, len(truth.boxes) + EPSILON)

    def _total(self, parts: Sequence[OnePassPart]) -> Scores:
        normalised = [part.normalised_precision for part in parts if part.normalised_precision is not None]
        return read_curves(
            OVERLAPS_21,
            mean_of_nonzero([part.success for part in parts]),
            mean_of_nonzero([part.precision for part in parts]),
            mean_of_nonzero(normalised) if normalised else None,
        )


@dataclass(frozen=True)
class LasotMatlabRule(MatlabRule):
    """LaSOT and its extension; published numbers are those of the test set, protocol II.

    A row is broken if it has a nan, or a width or height that is not positive. Frames flagged absent are
    deleted from both sides, but stay in the denominator: a perfect tracker gets 1 - their share.
    """

    @property
    def program(self) -> str:
        return 'HengLan/LaSOT_Evaluation_Toolkit @ 95bf38a'

    @property
    def text(self) -> str:
        return (
            'absent frames are misses everywhere, other frames without a positive x, y, w, h are misses of '
            'success and hits of both precisions; divided by all frames; rows with a nan or no size repeat '
            'the row before; row 0 is the truth; 21 overlap thresholds, IoU > t; mean of sequences without '
            'all-zero curves'
        )

    def broken(self, result: np.ndarray) -> np.ndarray:
        return np.isnan(result).any(axis=1) | without_size(result)

    def kept(self, truth: BoxTruth) -> np.ndarray:
        return super().kept(truth) if truth.absent is None else ~truth.absent


@dataclass(frozen=True)
class OtbMatlabRule(MatlabRule):
    """OTB-2013 and OTB-2015, also the official rule of UAV123, whose absent frames are nan.

    A row is broken if all four of its numbers are nan, or its width or height is not positive. A row with
    fewer nan stays: MATLAB's min and max pass over a nan x, so its overlap spans the truth's whole width,
    while its centre error is nan, a miss.
    """

    columns = COLUMNS_WITHOUT_NORMALISED

    @property
    def program(self) -> str:
        return (
            'OTB toolkit v1.1: HonglinChu/visual_tracker_benchmark @ dafc947 (genPerfMat), '
            'zhangzheng0131/Tracker_Benchmark_tb100 @ 61282db (calcSeqErrRobust, plotDrawSave)'
        )

    @property
    def text(self) -> str:
        return (
            'frames without a positive x, y, w, h in the truth are misses of success and hits of precision; '
            'divided by all frames; rows of four nan or no size repeat the row before; row 0 is the truth; '
            '21 overlap thresholds, IoU > t; mean of sequences without all-zero curves'
        )

    def broken(self, result: np.ndarray) -> np.ndarray:
        return np.isnan(result).all(axis=1) | without_size(result)


def without_size(boxes: np.ndarray) -> np.ndarray:
    """(N,) bool: whose width or height is zero or negative; nan is neither."""
    return (boxes[:, 2] <= 0) | (boxes[:, 3] <= 0)


def cut_to(truth: BoxTruth, result: np.ndarray) -> np.ndarray:
    """The first (N, 4) rows of a result. Raises DataError where it has fewer than the truth."""
    if not len(truth.boxes):
        raise DataError(f'{truth.name}: expected annotated frames, got none')
    if len(result) < len(truth.boxes):
        raise DataError(
            f'{truth.name}: expected {len(truth.boxes)} rows, one a frame, got {len(result)}: '
            'the official program refuses results that are too short'
        )
    return result[: len(truth.boxes)]


def repaired(boxes: np.ndarray, broken: np.ndarray) -> np.ndarray:
    """A copy of (N, 4) rows in which each broken one is the last that is not; row 0 stays as it is."""
    source = np.where(broken, 0, np.arange(len(boxes)))
    return boxes[np.maximum.accumulate(source)]


def frame_errors(truth: np.ndarray, boxes: np.ndarray, normalised: bool) -> FrameErrors:
    """Of (n, 4) x, y, w, h; -1 throughout where the truth is invalid."""
    valid = (truth > 0).all(axis=1)
    return FrameErrors(
        np.where(valid, overlaps(boxes, truth), INVALID),
        np.where(valid, centre_errors(boxes, truth), INVALID),
        np.where(valid, normalised_centre_errors(boxes, truth), INVALID) if normalised else None,
    )


def mean_of_nonzero(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Mean of the (T,) curves that have a value above zero; nan where none has."""
    stacked = np.stack(curves)
    counted = stacked[stacked.sum(axis=1) > EPSILON]
    return counted.mean(axis=0) if len(counted) else np.full(stacked.shape[1], np.nan)


def mean_of_valid(frames: FrameErrors, which: Literal['overlaps', 'errors']) -> float:
    """OTB's ``aveErrCoverage`` ('overlaps') and ``aveErrCenter`` ('errors') of a sequence, by genPerfMat.

    The sum over valid frames divided by *all* frames.
    """
    values = getattr(frames, which)
    return float(values[frames.overlaps != INVALID].sum() / len(values))
