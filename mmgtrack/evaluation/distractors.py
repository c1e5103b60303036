"""Does a tracker keep to its target among objects that resemble it?"""

from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.mot import MotTruth
from mmgtrack.evaluation.bootstrap import with_bounds
from mmgtrack.evaluation.results.mot import MotRows
from mmgtrack.evaluation.rules.mot import MotRule
from mmgtrack.evaluation.success import iou, success_auc

MIN_IOU = 0.5  # as PASCAL VOC and CLEAR MOT: from here on a box is on an object


@dataclass(frozen=True)
class TargetOutcome:
    """What one target's track did in a clip; all but ``auc`` are numbers of frames.

    - ``num_frames``: frames that count, F.
    - ``shown``: the target is there.
    - ``on_target``: of these, the box overlaps it by IoU >= 0.5.
    - ``away``: of these, the box does not touch it.
    - ``on_distractor``: of all frames, the box overlaps another object by IoU >= 0.5 and more than the
      target, whether the tracker believes its box or not.
    - ``claimed_distractor``: of these, it says that the target is present.
    - ``switches``: the box is on another object than the last one that it was on.
    - ``presence_right``: of all frames, the tracker is right whether the target is there.
    - ``auc``: success, see ``success_auc``; nan without a frame that shows the target.
    """

    num_frames: int
    shown: int
    on_target: int
    away: int
    on_distractor: int
    claimed_distractor: int
    switches: int
    presence_right: int
    auc: float


def target_outcome(boxes: np.ndarray, present: np.ndarray, truth: np.ndarray) -> TargetOutcome:
    """Compare a target's track with all objects of a clip.

    boxes: (F, 4) xyxy pixels and present: (F,) bool, the track in the frames after the one that the target
    was given in. truth: (F, M, 4), object 0 being the target, nan rows where an object is not there; M = 1
    where nobody annotated what resembles it. Raises DataError where the shapes do not fit.
    """
    if truth.ndim != 3 or boxes.shape != (len(truth), 4) or present.shape != boxes.shape[:1]:
        raise DataError(
            'expected boxes (F, 4), present (F,) and truth (F, M, 4), got '
            f'{boxes.shape}, {present.shape} and {truth.shape}'
        )
    overlaps = np.nan_to_num(iou(boxes[:, None].astype(float), truth.astype(float)))
    shown = np.isfinite(truth[:, 0]).all(-1)
    objects = objects_under(overlaps)
    return TargetOutcome(
        num_frames=len(truth),
        shown=int(shown.sum()),
        on_target=int((shown & (overlaps[:, 0] >= MIN_IOU)).sum()),
        away=int((shown & (overlaps[:, 0] == 0)).sum()),
        on_distractor=int((objects > 0).sum()),
        claimed_distractor=int((present & (objects > 0)).sum()),
        switches=count_switches(objects),
        presence_right=int((present == shown).sum()),
        auc=success_auc(boxes, truth[:, 0]),
    )


def objects_under(overlaps: np.ndarray) -> np.ndarray:
    """(F,) int64 object that each box is on, -1 for none; overlaps: (F, M) IoU.

    The one that it overlaps most, from IoU 0.5; of equals the first, so that the target wins.
    """
    best = overlaps.argmax(1)
    return np.where(overlaps.max(1) >= MIN_IOU, best, -1)


def count_switches(objects: np.ndarray) -> int:
    """How often a track changes to another object; objects: (F,) int, -1 on none, which is no change.

    A track begins on its target, object 0: the first frame on another one counts.
    """
    on_any = np.concatenate([[0], objects[objects >= 0]])
    return int((on_any[1:] != on_any[:-1]).sum())


def tracklet_scores(rows: MotRows, truth: np.ndarray) -> tuple[float, float]:
    """(HOTA, IDF1) of all tracklets of a clip against all its objects, by trackeval.

    rows: boxes of the tracklets, frames counted from 1; truth: (F, M, 4) xyxy pixels, nan where an object is
    not there. Raises MissingDependencyError without trackeval.
    """
    values = MotRule().measure(MotTruth('clip', mot_rows(truth), len(truth)), rows).scores.values
    return values['hota'], values['idf1']


def mot_rows(boxes: np.ndarray) -> MotRows:
    """Rows of (F, M, 4) xyxy boxes, column by column one identity; nan rows are left out."""
    frames, ids = np.nonzero(np.isfinite(boxes).all(-1))
    chosen = boxes[frames, ids].astype(float)
    chosen[:, 2:] -= chosen[:, :2]
    return MotRows(frames + 1, ids, chosen, np.ones(len(ids)))


def fewer_with_bounds(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """By which share the sum of (n,) ``second`` is below that of ``first``, with bounds; nan if that is 0.

    Bootstrap over clips, the same ones drawn for both.
    """
    with np.errstate(invalid='ignore', divide='ignore'):
        return with_bounds(np.stack([first, second], 1), lambda sums: 1 - sums[..., 1] / sums[..., 0])
