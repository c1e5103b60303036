"""What trackers share that learn from query/search pairs: their boxes, and the way from a batch to boxes."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.structures import InstanceData
from torch import Tensor

from mmgtrack.geometry import clip_boxes
from mmgtrack.models.base import GlobalSearchTracker
from mmgtrack.models.data_preprocessor import View
from mmgtrack.models.detections import box_limits
from mmgtrack.models.pairs import Detections, Pairs
from mmgtrack.structures import ClipSample, State, Tracks


class QuerySearchTracker(GlobalSearchTracker):
    """A global search whose samples are a query image with targets, and a search image to find them in.

    Attributes:
        inclusive_pixels: boxes of the network end at their last pixel (official code, x2 = x + w - 1). Boxes
            lose that pixel on entry and get it back on exit.
    """

    inclusive_pixels: bool = False

    def to_network(self, boxes: Tensor, view: View) -> Tensor:
        if not self.inclusive_pixels:
            return super().to_network(boxes, view)
        # official order: to the last pixel, scale, clip to the padded image
        height, width = self.data_preprocessor.padded(view.shape)
        inside = clip_boxes((boxes - last_pixel(boxes)) * view.factors(boxes), (height - 1, width - 1))
        return ordered(inside)

    def to_frame(self, boxes: Tensor, factors: Tensor) -> Tensor:
        in_frame = super().to_frame(boxes, factors)
        return in_frame + last_pixel(boxes) if self.inclusive_pixels else in_frame

    def predict(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> list[Tracks]:
        found, frames = self.search_samples(inputs, data_samples)
        boxes = found.boxes[:, 0]
        if self.inclusive_pixels:  # what they lost on entry
            scales = boxes.new_tensor([_scale_of(sample, 'search') for sample in data_samples])
            boxes = boxes + last_pixel(boxes) * scales[frames, None]
        best = (boxes, found.scores[:, 0], found.valid[:, 0])
        return [self.judge(*(leaf[frames == n][None] for leaf in best)) for n in range(len(data_samples))]

    def _forward(self, inputs: dict[str, Tensor], data_samples: list[ClipSample]) -> Detections:
        return self.search_samples(inputs, data_samples)[0]

    def search_samples(
        self, inputs: dict[str, Tensor], data_samples: list[ClipSample]
    ) -> tuple[Detections, Tensor]:
        """Detections of each pair in pixels of its search image, and that image (P,)."""
        features, targets, pairs = self.encode_samples(inputs, data_samples)
        shapes = [sample.img_shape['search'] for sample in data_samples]
        views = [
            View(image[:, :h, :w], (h, w)) for image, (h, w) in zip(inputs['search'], shapes, strict=True)
        ]
        return self.detect(features, targets, pairs, views), pairs.frames

    def encode_samples(
        self, inputs: dict[str, Tensor], data_samples: list[ClipSample]
    ) -> tuple[Any, State, Pairs]:
        """Every target of each query image against its own search image; the network sees each image once.

        Returns the features of the search images, the state of the targets, and the pairs.
        """
        targets, pairs = self.encode_queries(self.extract(inputs['query']), data_samples)
        return self.extract(inputs['search']), targets, pairs

    def encode_queries(self, features: Any, data_samples: list[ClipSample]) -> tuple[State, Pairs]:
        """The state of all targets, and each of them with the search image of its own sample."""
        queries = [self.role_boxes(sample, 'query') for sample in data_samples]
        leaves = self.encode_targets(features, queries)
        counts = torch.tensor([len(boxes) for boxes in queries], device=self.data_preprocessor.mean.device)
        frames = torch.arange(len(queries), device=counts.device).repeat_interleave(counts)
        targets = self.state_type(
            model=self.name,
            fingerprint=self.fingerprint,
            age=torch.zeros_like(frames),
            boxes=torch.cat(queries),
            **leaves,
        )
        return targets, Pairs(frames, torch.arange(len(frames), device=frames.device))

    def pair_shares(self, frames: Tensor, num_samples: int) -> Tensor:
        """(P,) weights that sum to 1, so that samples weigh the same whatever their number of targets."""
        counts = torch.bincount(frames, minlength=num_samples)
        return (1 / (counts * num_samples))[frames]

    def limits(self, views: Sequence[View]) -> Tensor:
        """(N, 4) limits of boxes in the frames, see ``box_limits``."""
        like = self.data_preprocessor.mean  # of boxes' precision, which that of features may be below
        return box_limits([view.shape for view in views], like, self.inclusive_pixels)

    def role_boxes(self, sample: ClipSample, role: str) -> Tensor:
        """Boxes (n, 4) of a training image as the network counts pixels."""
        boxes = sample.instances[role].bboxes
        if not self.inclusive_pixels:
            return boxes
        # the last pixel of the stored frame is as large as the image is scaled; official code takes it off
        # before it flips, about the resized image's last pixel
        scale = _scale_of(sample, role)
        boxes = boxes - last_pixel(boxes) * scale
        if sample.get('flip', {}).get(role, False):
            boxes = boxes + boxes.new_tensor([1, 0, 1, 0]) * (scale - 1)
        return ordered(boxes)

    def search_truths(self, sample: ClipSample, label: int = 0) -> list[InstanceData]:
        """For each target of the query image its box in the search image: 0 or 1 boxes of this label."""
        boxes, ids = self.role_boxes(sample, 'search'), sample.instances['search'].ids
        found = [boxes[ids == target] for target in sample.instances['query'].ids]
        return [
            InstanceData(bboxes=box, labels=box.new_full((len(box),), label, dtype=torch.long))
            for box in found
        ]


def ordered(boxes: Tensor) -> Tensor:
    """Boxes narrower than a pixel end where they start (official code)."""
    return torch.cat([boxes[:, :2], torch.maximum(boxes[:, :2], boxes[:, 2:])], dim=1)


def last_pixel(like: Tensor) -> Tensor:
    """What an inclusive box lacks: x1 and y1 nothing, x2 and y2 one pixel."""
    return like.new_tensor([0, 0, 1, 1])


def _scale_of(sample: ClipSample, role: str) -> float:
    """Pixels of a role's image a pixel of the stored frame."""
    return float(sample.get('scale', {}).get(role, 1.0))
