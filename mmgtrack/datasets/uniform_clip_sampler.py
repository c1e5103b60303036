"""The frame rule of the official GlobalTrack code."""

import numpy as np

from mmgtrack.datasets.clip_sampler import ClipSampler, Refusal
from mmgtrack.datasets.sequence import Sequence
from mmgtrack.registry import DATA_SAMPLERS

MAX_TRIES = 100
"""Draws that lie too far apart before any will do (official GlobalTrack)."""


@DATA_SAMPLERS.register_module()
class UniformClipSampler(ClipSampler):
    """``ClipSampler`` that draws different frames in time order, all combinations being equally likely.

    The frames are drawn among those that show a random target, again while the first and the last are more
    than ``max_gap`` apart, after 100 draws as they are. A video with too few such frames is passed over; a
    still image serves every role. ``ClipSampler`` draws the query first, so that frames near the ends of
    a video come in more pairs; videos no longer than ``max_gap`` make no difference.

    Args:
        max_gap, max_instances, other_clips: see ``ClipSampler``.
    """

    def __init__(self, max_gap: int = 300, max_instances: int = 8, other_clips: bool = True) -> None:
        super().__init__(
            max_gap, order='forward', visibility='all', max_instances=max_instances, other_clips=other_clips
        )

    def _frames(self, clip: Sequence, num_roles: int, rng: np.random.Generator) -> list[int] | Refusal:
        if len(clip) == 1:
            return super()._frames(clip, num_roles, rng)
        seen = np.flatnonzero(clip.present.any(0))
        if len(seen) == 0:
            return Refusal('clip without a visible target', clip)
        usable = np.flatnonzero(clip.present[:, rng.choice(seen)])
        if len(usable) < num_roles:
            return Refusal(f'clip with fewer than {num_roles} frames that show the target', clip)
        for _ in range(MAX_TRIES):
            frames = np.sort(rng.choice(usable, num_roles, replace=False)).tolist()
            if frames[-1] - frames[0] <= self.max_gap:
                break
        return frames
