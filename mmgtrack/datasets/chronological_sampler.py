"""The frame rule of GuidedDetector: what a tracker sees first comes first."""

import numpy as np

from mmgtrack.datasets.target_sampler import TargetSampler
from mmgtrack.errors import InputError
from mmgtrack.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class ChronologicalSampler(TargetSampler):
    """Roles follow each other in time, as frames do in tracking (Huang et al., ICCV 2019, section 3.1).

    The first role is a visible frame, drawn among those that are followed by enough visible ones at most
    ``max_gap`` frames later; the others are different frames of these, in order. Where no frame is followed
    by enough of them, frames that are followed by one at least are shown more than once.

    Args:
        max_gap: largest distance in frames between the first role and the last (the paper gives none; videos
            of GOT-10k have about 100 frames).
        negative_prob, min_length: see ``TargetSampler``.
    """

    def __init__(self, max_gap: int = 100, negative_prob: float = 0.0, min_length: int = 20) -> None:
        super().__init__(negative_prob, min_length)
        if max_gap < 1:
            raise InputError(f'max_gap must be >= 1, got {max_gap}')
        self.max_gap = max_gap

    def _frames(self, visible: np.ndarray, num_roles: int, rng: np.random.Generator) -> list[int]:
        seen = np.flatnonzero(visible)
        ends = np.searchsorted(seen, seen + self.max_gap, side='right')
        followers = ends - np.arange(1, len(seen) + 1)
        enough = min(num_roles - 1, followers.max())
        first = int(rng.choice(np.flatnonzero(followers >= enough)))
        later = seen[first + 1 : ends[first]] if enough else seen[[first]]
        others = rng.choice(later, num_roles - 1, replace=len(later) < num_roles - 1)
        return [int(seen[first]), *np.sort(others).tolist()]
