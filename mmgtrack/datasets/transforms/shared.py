"""Random draws that all roles of a sample have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmcv.transforms import BaseTransform, Compose

from mmgtrack.datasets.seeding import seeded
from mmgtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class SharedDraw(BaseTransform):
    """Run transforms so that they draw the same in every role of a sample.

    A ``ClipDataset`` gives each role random numbers of its own. In here they come from ``sample_key``, which
    the roles share; what is drawn outside does not change. Put all that is shared into one ``SharedDraw``:
    a second one would start from the same numbers.

    Args:
        transforms: configs of the transforms.
    """

    def __init__(self, transforms: Sequence[Mapping[str, Any]]) -> None:
        self.transforms = Compose([TRANSFORMS.build(dict(transform)) for transform in transforms])

    def transform(self, results: dict[str, Any]) -> dict[str, Any] | None:
        with seeded(*results['sample_key']):
            return self.transforms(results)
