"""Test a tracker on mmtrack's data sets, which give a video frame by frame."""

from typing import Any

import numpy as np
import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import TestLoop
from mmengine.structures import InstanceData

from mmgtrack.errors import InputError
from mmgtrack.models.base import BaseTracker
from mmgtrack.registry import LOOPS
from mmgtrack.structures import State


@LOOPS.register_module()
class VideoFramesTestLoop(TestLoop):
    """mmengine's test loop for a tracker and a data set of mmtrack in test mode.

    The data loader gives one frame a batch, in the order of ``mmtrack.VideoSampler``, packed by
    ``mmtrack.PackTrackInputs(pack_single_img=True)``. The first frame of a video starts the tracker with its
    box, as mmtrack's own trackers are started. Metrics get what theirs leave: the sample with
    ``pred_track_instances``, a box (1, 4) and its score (1,), in the first frame the box given.
    """

    _state: State | None = None

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: dict[str, Any]) -> None:
        self.runner.call_hook('before_test_iter', batch_idx=idx, data_batch=data_batch)
        images, samples = data_batch['inputs']['img'], data_batch['data_samples']
        if len(samples) != 1:
            raise InputError(
                f'VideoFramesTestLoop takes one frame at a time, got {len(samples)}: set '
                'test_dataloader.batch_size=1'
            )
        (sample,) = samples
        frame = np.ascontiguousarray(images[0][0].permute(1, 2, 0).numpy())
        sample.pred_track_instances = self._track(frame, sample)
        self.evaluator.process(data_samples=samples, data_batch=data_batch)
        self.runner.call_hook('after_test_iter', batch_idx=idx, data_batch=data_batch, outputs=samples)

    def _track(self, frame: np.ndarray, sample: Any) -> InstanceData:
        """The target in the next frame (H, W, 3) uint8 BGR of a video."""
        model = self.runner.model
        tracker: BaseTracker = model.module if is_model_wrapper(model) else model
        if sample.frame_id == 0:
            box = np.asarray(sample.instances[0]['bbox'], dtype=np.float32)[None]
            self._state = tracker.encode(frame, box)
            return InstanceData(bboxes=torch.from_numpy(box), scores=torch.ones(1))
        if self._state is None:
            raise InputError(
                f'the first frame given is number {sample.frame_id} of its video, not 0: set '
                "test_dataloader.sampler=dict(type='mmtrack.VideoSampler')"
            )
        tracks, self._state = tracker.track([frame], self._state)
        return InstanceData(bboxes=tracks.boxes[0].cpu(), scores=tracks.scores[0].cpu())
