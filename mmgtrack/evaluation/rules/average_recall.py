"""AR@k: how well the k best boxes of a frame cover the target, over ten overlap thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.proposals import Proposals, read_proposals
from mmgtrack.evaluation.rules.base import Part, Rule, Scores

PROGRAMS = {
    'mmdet3': 'mmdet 3.x, eval_recalls',
    'legacy': 'mmdet 1.x, eval_recalls (use_legacy_coordinate)',
    'coco': 'pycocotools, COCOeval (useCats = 0)',
}
KS = (1, 5, 10, 100, 1000)  # of the recorded programs


@dataclass(frozen=True, eq=False)
class RecallPart(Part):
    """num_frames: those that count; hits: (K, 10) how many of them are hit by the k best at a threshold."""

    name: str
    ks: tuple[int, ...]
    num_frames: int
    hits: np.ndarray

    @property
    def scores(self) -> Scores:
        return _recalls(self.ks, self.hits, self.num_frames)


@dataclass(frozen=True)
class AverageRecallRule(Rule[BoxTruth, Proposals]):
    """Of one target a frame; frames without it and the first one, where it is given, do not count.

    This is not the AR@k of the GlobalTrack paper, which counts IoU > 0.5 alone: that is
    ``mmgtrack.evaluation.recall``.

    style: the program: 'mmdet3'; 'legacy', which adds 1 to all widths and heights; 'coco'. ks: list lengths.
    """

    style: Literal['mmdet3', 'legacy', 'coco'] = 'mmdet3'
    ks: tuple[int, ...] = KS

    has_curves: ClassVar[bool] = False

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(f'ar@{k}' for k in self.ks)

    @property
    def program(self) -> str:
        return PROGRAMS[self.style]

    @property
    def text(self) -> str:
        plus = ', widths and heights plus 1' if self.style == 'legacy' else ''
        return (
            'AR@k is the mean over t = 0.50, 0.55 ... 0.95 of the share of frames, of all sequences pooled,'
            f' in which one of the k best boxes has IoU >= t{plus}; the first frame and frames without '
            'target do not count; frames without boxes are misses'
        )

    @property
    def thresholds(self) -> np.ndarray:
        """(10,), as the programs have them: float32 in mmdet, whose overlaps are float32."""
        if self.style == 'coco':
            return np.linspace(0.5, 0.95, 10)
        return np.arange(0.5, 0.96, 0.05).astype(np.float32)

    def read(self, results: ResultFiles, truth: BoxTruth) -> Proposals:
        return read_proposals(results, truth.name)

    def measure(self, truth: BoxTruth, result: Proposals) -> RecallPart:
        """Raises DataError where the result has boxes of frames that do not exist."""
        if len(result.frames) and result.frames[-1] >= len(truth.boxes):
            raise DataError(
                f'{truth.name} has {len(truth.boxes)} frames, got a box of frame {result.frames[-1] + 1}'
            )
        counted = (truth.boxes[:, 2:] > 0).all(1) & np.isfinite(truth.boxes).all(1)
        counted[:1] = False
        if truth.absent is not None:
            counted &= ~truth.absent
        overlaps = self._overlaps(result.boxes, truth.boxes[result.frames])
        overlaps[~counted[result.frames]] = 0  # also what nan rows of the truth gave
        # the place of a box in the list of its frame, from 0
        place = np.arange(len(result.frames)) - np.searchsorted(result.frames, result.frames)
        hits = np.empty((len(self.ks), len(self.thresholds)), np.int64)
        for row, k in zip(hits, self.ks, strict=True):
            best = np.full(len(truth.boxes), -1, overlaps.dtype)
            top = place < k
            np.maximum.at(best, result.frames[top], overlaps[top])
            row[:] = np.count_nonzero(best[counted][:, None] >= self.thresholds, axis=0)
        return RecallPart(truth.name, self.ks, int(counted.sum()), hits)

    def _total(self, parts: Sequence[RecallPart]) -> Scores:
        hits, counts = (sum(part.hits for part in parts), sum(part.num_frames for part in parts))
        return _recalls(self.ks, np.asarray(hits), counts)

    def _overlaps(self, boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
        """(n,) IoU of (n, 4) x, y, w, h in the arithmetic of the program."""
        if self.style == 'coco':
            return _coco_iou(boxes, others)
        return _mmdet_iou(boxes, others, np.float32(self.style == 'legacy'))


def _coco_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float64, areas from w and h."""
    sides = np.minimum(boxes[:, :2] + boxes[:, 2:], others[:, :2] + others[:, 2:]) - np.maximum(
        boxes[:, :2], others[:, :2]
    )
    inter = np.prod(np.maximum(sides, 0), axis=1)
    union = np.prod(boxes[:, 2:], axis=1) + np.prod(others[:, 2:], axis=1) - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=inter > 0)


def _mmdet_iou(boxes: np.ndarray, others: np.ndarray, extra: np.float32) -> np.ndarray:
    """float32, of corners; ``extra`` pixels are added to every side."""
    low, other_low = (rows[:, :2].astype(np.float32) for rows in (boxes, others))
    high, other_high = ((rows[:, :2] + rows[:, 2:]).astype(np.float32) for rows in (boxes, others))
    sides = np.minimum(high, other_high) - np.maximum(low, other_low) + extra
    inter = np.prod(np.maximum(sides, 0), axis=1)
    union = np.prod(high - low + extra, axis=1) + np.prod(other_high - other_low + extra, axis=1) - inter
    return inter / np.maximum(union, np.float32(1e-6))  # the program's guard against boxes without area


def _recalls(ks: Sequence[int], hits: np.ndarray, count: int) -> Scores:
    """ar@k, and the recalls (10,) by threshold; nan without a frame that counts."""
    recalls = hits / count if count else np.full(hits.shape, np.nan)
    return Scores(
        {f'ar@{k}': float(row.mean()) for k, row in zip(ks, recalls, strict=True)},
        {f'recall@{k}': row for k, row in zip(ks, recalls, strict=True)},
    )
