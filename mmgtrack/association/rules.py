"""Every threshold of the association, in one place. docs/association.md says how each was set."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any

from typing_extensions import Self

from mmgtrack.errors import InputError


@dataclass(frozen=True)
class AssociationRules:
    """How candidates are joined to tracklets. Costs, distances and scores are in [0, 1], buffers in frames.

    What counts as a candidate: ``low_score`` is the least score (only where no candidate has it, the best
    hypothesis may have less), ``relative_score`` the least share of the frame's best; from ``high_score`` on
    a candidate takes part in the first pass.

    The cost of the first pass: ``appearance_weight``, ``motion_weight`` and ``score_weight`` of its three
    distances; ``first_weight`` is the part of the first embedding in the distance of looks, beside the
    smoothed one.

    What may be joined: ``gate`` is the largest squared Mahalanobis distance, larger by ``gate_growth`` of
    itself for each frame that the target is lost; ``match_limit`` the largest cost; ``iou_limit``,
    ``low_iou_limit`` and ``tentative_iou_limit`` the largest 1 - IoU of the later passes, and
    ``iou_appearance_limit`` the largest distance of known looks there.

    What is remembered: ``smoothing`` is the weight of the old in running means, ``smoothing_limit`` the
    largest distance of looks that still changes a tracklet's.

    Life: ``confirm_hits`` detections confirm a tracklet, ``lost_buffer`` frames without one end it (and the
    target's motion), ``max_tracklets`` and ``memory_size`` bound all tracklets and the distractors
    remembered after their end. ``distractor_frames`` frames beside the target make a distractor; a box
    that shares ``part_overlap`` of the smaller area with the target's may be a part of it and is not beside.

    Recovery: after ``recover_after`` lost frames a tracklet of ``recover_hits`` detections may become the
    target's, if its look is within ``recover_limit`` of the target's and nearer by ``recover_margin`` than
    to a distractor not in sight; without looks, if its score reaches ``recover_score``. A tracklet whose look
    is nearer to the template than that of the target's own by ``swap_margin`` changes places with it.

    ``guess_weight``: share of the score that a guess keeps; ``guess_margin``: how much nearer its look has to
    be to the target's than to any distractor's; ``doubt_after`` lost frames even a distractor is guessed.
    ``same_detection_iou``: from this IoU on, candidates of two targets are one detection.
    """

    low_score: float = 0.05
    relative_score: float = 0.1
    high_score: float = 0.3
    appearance_weight: float = 0.7
    motion_weight: float = 0.2
    score_weight: float = 0.1
    first_weight: float = 0.5
    gate: float = 37.95
    gate_growth: float = 0.2
    match_limit: float = 0.5
    iou_limit: float = 0.5
    low_iou_limit: float = 0.5
    tentative_iou_limit: float = 0.7
    iou_appearance_limit: float = 0.7
    smoothing: float = 0.9
    smoothing_limit: float = 0.3
    confirm_hits: int = 2
    lost_buffer: int = 30
    max_tracklets: int = 300
    memory_size: int = 32
    distractor_frames: int = 3
    part_overlap: float = 0.5
    recover_after: int = 3
    recover_hits: int = 2
    recover_limit: float = 0.2
    recover_margin: float = 0.05
    recover_score: float = 0.3
    swap_margin: float = 0.1
    guess_weight: float = 0.5
    guess_margin: float = 0.0
    doubt_after: int = 60
    same_detection_iou: float = 0.7

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            _check(name, value)
        if self.motion_weight + self.score_weight == 0:
            raise InputError('association needs a motion_weight or score_weight above 0, for unknown looks')

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Self:
        """The rules of a config's dict; raises InputError for a name that is none, with the nearest."""
        names = [field.name for field in fields(cls)]
        for name in config:
            if name not in names:
                near = get_close_matches(name, names, n=1, cutoff=0)
                raise InputError(f'association has no rule {name!r}: did you mean {near[0]!r}?')
        return cls(**config)


def _check(name: str, value: Any) -> None:
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    if type(getattr(AssociationRules, name)) is int:
        if not (isinstance(value, int) and number and value >= 1):
            raise InputError(f'association.{name} must be a whole number of at least 1, got {value!r}')
    elif name == 'gate':
        if not number or value <= 0:
            raise InputError(f'association.gate must be a number above 0, got {value!r}')
    elif not number or value < 0:
        raise InputError(f'association.{name} must be a number of at least 0, got {value!r}')
    elif name != 'gate_growth' and value > 1:
        # the others are shares, scores, distances or costs
        raise InputError(f'association.{name} must be in [0, 1], got {value!r}')
