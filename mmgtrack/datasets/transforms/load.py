"""Read the frame that a sample names."""

from typing import Any

from mmcv.transforms import BaseTransform

from mmgtrack.datasets.sequence import read_frame
from mmgtrack.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadFrame(BaseTransform):
    """Decode ``img_path`` to ``img`` (H, W, 3) uint8 BGR exactly as evaluation does.

    mmcv's LoadImageFromFile would turn images by their EXIF orientation and not name a damaged file. Raises
    FrameError for a file that is missing, damaged or cut off; ``ClipDataset`` then draws the sample anew.
    """

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        image = read_frame(results['img_path'], whole=True)
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results
