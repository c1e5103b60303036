"""The frame rule of STARK-ST, which has a dynamic template."""

import numpy as np

from mmgtrack.datasets.target_sampler import TargetSampler
from mmgtrack.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class TridentSampler(TargetSampler):
    """Template and search frame anywhere, the dynamic template between them or beyond (official STARK).

    The template and the search frame are drawn independently among all visible frames and may coincide. Each
    role between them is drawn from the ``max_gap`` frames before the search frame where the template lies
    before it, otherwise from the ``max_gap`` frames that start with the search frame. All are drawn again
    where that leaves no frame.

    Args:
        max_gap: see above (official STARK: 200).
        invisible_templates: dynamic templates may show the target hidden, as updates in a video can (official
            mode "trident_pro", which is trained with); otherwise all frames are visible (mode "trident").
        negative_prob, min_length: see ``TargetSampler``.
    """

    def __init__(
        self,
        max_gap: int = 200,
        invisible_templates: bool = True,
        negative_prob: float = 0.0,
        min_length: int = 20,
    ) -> None:
        super().__init__(negative_prob, min_length)
        self.max_gap = max_gap
        self.invisible_templates = invisible_templates

    def _frames(self, visible: np.ndarray, num_roles: int, rng: np.random.Generator) -> list[int]:
        seen = np.flatnonzero(visible)
        usable = np.arange(len(visible)) if self.invisible_templates else seen
        while True:
            template, search = map(int, rng.choice(seen, 2))
            first = search if template >= search else search - self.max_gap
            near = usable[(usable >= first) & (usable < first + self.max_gap)]
            if len(near):
                return [template, *rng.choice(near, num_roles - 2).tolist(), search]
