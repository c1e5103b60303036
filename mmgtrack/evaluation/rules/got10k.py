"""GOT-10k: mean overlap and success rates over the frames of all sequences and repetitions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.neuron import got10k_frames
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.base import Part, Rule, Scores
from mmgtrack.evaluation.rules.got10k_toolkit import overlaps
from mmgtrack.evaluation.rules.neuron import inclusive_corners
from mmgtrack.evaluation.rules.one_pass import OVERLAPS_101

AT_HALF, AT_THREE_QUARTERS = 50, 75  # places in the 101 thresholds


@dataclass(frozen=True, eq=False)
class Got10kResult:
    """boxes: of each repetition, (F, 4) x, y, w, h; times: (F, R) seconds, None where there is no file."""

    boxes: list[np.ndarray]
    times: np.ndarray | None


@dataclass(frozen=True, eq=False)
class Got10kPart(Part):
    """Frames that count, of one sequence and all of its repetitions.

    length: annotated frames after the first. overlaps: (n,) IoU. sums: (105,) what totals are made of:
    n, the sum of overlaps, how many exceed each of 101 thresholds, the number of times, the sum of their
    inverses.
    """

    name: str
    length: int
    overlaps: np.ndarray
    sums: np.ndarray

    @property
    def scores(self) -> Scores:
        return _scores(self.sums)


@dataclass(frozen=True)
class Got10kRule(Rule[BoxTruth, Got10kResult]):
    """The rule of GOT-10k's toolkit, ExperimentGOT10k.report, which the server shares."""

    columns = ('ao', 'sr_0.5', 'sr_0.75', 'fps')
    absolute = frozenset({'fps'})

    @property
    def program(self) -> str:
        return 'got-10k/toolkit @ 956e728'

    @property
    def text(self) -> str:
        return (
            'frames of all sequences and repetitions are pooled, so long sequences weigh more; without row '
            '0 and frames of cover 0; truth and result are clipped to the image, where a negative x or y '
            'moves the box without making it smaller; SR counts IoU > t; fps is the mean of 1 / time'
        )

    def read(self, results: ResultFiles, truth: BoxTruth) -> Got10kResult:
        boxes = BoxResults.of(results)
        return Got10kResult(boxes.repetitions(truth.name), boxes.times(truth.name))

    def measure(self, truth: BoxTruth, result: Got10kResult) -> Got10kPart:
        """Raises DataError where a repetition has not as many rows as the truth, or a nan.

        fps is nan without a time above 0. (The toolkit then repeats the sequence before it.)
        """
        if truth.cover is None or truth.image_size is None:
            raise DataError(f"{truth.name}: this rule needs GOT-10k's cover.label and the image size")
        for number, boxes in enumerate(result.boxes, 1):
            if boxes.shape != truth.boxes.shape:
                raise DataError(
                    f'{truth.name}, repetition {number}: expected {len(truth.boxes)} rows, one a frame, got '
                    f'{len(boxes)}'
                )
            if np.isnan(boxes[1:]).any():
                row = int(np.argmax(np.isnan(boxes[1:]).any(1))) + 2
                raise DataError(
                    f'{truth.name}, repetition {number}, line {row}: nan would make the mean of all '
                    'sequences nan; write a box for every frame'
                )
        ious = np.concatenate(
            [self._overlaps(truth.boxes, boxes, truth.cover, truth.image_size) for boxes in result.boxes]
        )
        times = np.zeros(0) if result.times is None else result.times[result.times > 0]
        above = np.count_nonzero(ious[:, None] > OVERLAPS_101, axis=0)
        sums = np.array([len(ious), ious.sum(), *above, len(times), (1 / times).sum()])
        return Got10kPart(truth.name, len(truth.boxes) - 1, ious, sums)

    def _total(self, parts: Sequence[Got10kPart]) -> Scores:
        return _scores(np.sum([part.sums for part in parts], axis=0))

    def _overlaps(
        self, truth: np.ndarray, boxes: np.ndarray, cover: np.ndarray, image_size: tuple[int, int]
    ) -> np.ndarray:
        """(n,) IoU of the frames that count."""
        counted = cover[1:] > 0
        size = np.array(image_size, float)
        return overlaps(_clip(boxes[1:][counted], size), _clip(truth[1:][counted], size))


@dataclass(frozen=True)
class NeuronGot10kRule(Got10kRule):
    """The rule of the official GlobalTrack repository, which clips corners instead of sizes."""

    @property
    def program(self) -> str:
        return 'huanglianghua/GlobalTrack @ 0c9bd96 (neuron)'

    @property
    def text(self) -> str:
        return (
            'frames of all sequences and repetitions are pooled; without row 0 and frames of cover 0; the '
            'inclusive corners of truth and result are clipped to [0, W-1] and [0, H-1]; SR counts IoU > t;'
            ' fps is the mean of 1 / time'
        )

    def _overlaps(
        self, truth: np.ndarray, boxes: np.ndarray, cover: np.ndarray, image_size: tuple[int, int]
    ) -> np.ndarray:
        return got10k_frames(inclusive_corners(truth), inclusive_corners(boxes), cover, image_size)


def _clip(boxes: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(n, 4) x, y, w, h as the toolkit's rect_iou with a bound has them.

    The size is cut by where the box ends up, not by where it was.
    """
    low = np.clip(boxes[:, :2], 0, size)
    return np.concatenate([low, np.clip(boxes[:, 2:], 0, size - low)], axis=1)


def _scores(sums: np.ndarray) -> Scores:
    num_frames, overlap, num_times, inverse = sums[[0, 1, -2, -1]]
    with np.errstate(invalid='ignore'):
        ao, fps, success = overlap / num_frames, inverse / num_times, sums[2:-2] / num_frames
    values = {'ao': ao, 'sr_0.5': success[AT_HALF], 'sr_0.75': success[AT_THREE_QUARTERS], 'fps': fps}
    return Scores({name: float(value) for name, value in values.items()}, {'success': success})
