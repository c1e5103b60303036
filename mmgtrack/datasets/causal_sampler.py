"""The frame rule of STARK-S, which has one template."""

import numpy as np

from mmgtrack.datasets.target_sampler import TargetSampler
from mmgtrack.registry import DATA_SAMPLERS

GAP_STEP = 5
"""Frames by which the gap grows while nothing is found (official STARK)."""


@DATA_SAMPLERS.register_module()
class CausalSampler(TargetSampler):
    """The search frame comes after the template (official STARK, mode "causal").

    The template is frame b, drawn among the visible ones; the last frame of the video cannot be it. The
    search frame is a visible one of those strictly between b and b + ``max_gap``. Further templates are
    visible frames of the ``max_gap`` ones before b. Where there is none, b is drawn again and the gap is
    wider by 5.

    Args:
        max_gap: see above (official STARK: 200).
        negative_prob, min_length: see ``TargetSampler``.
    """

    def __init__(self, max_gap: int = 200, negative_prob: float = 0.0, min_length: int = 20) -> None:
        super().__init__(negative_prob, min_length)
        self.max_gap = max_gap

    def _frames(self, visible: np.ndarray, num_roles: int, rng: np.random.Generator) -> list[int]:
        seen = np.flatnonzero(visible)
        templates = seen[(seen >= num_roles - 2) & (seen < len(visible) - 1)]
        gap = self.max_gap
        while True:
            template = int(rng.choice(templates))
            before = seen[(seen >= template - gap) & (seen < template)]
            after = seen[(seen > template) & (seen < template + gap)]
            if len(after) and (len(before) or num_roles == 2):
                extra = rng.choice(before, num_roles - 2).tolist() if num_roles > 2 else []
                return [template, *extra, int(rng.choice(after))]
            gap += GAP_STEP
