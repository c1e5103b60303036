"""Evaluate a tracker on whole sequences inside mmengine's Runner."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader

from mmgtrack.datasets.sequence import read_frame
from mmgtrack.models.base import BaseTracker
from mmgtrack.registry import LOOPS
from mmgtrack.structures import Tracks


def track_sequence(model: BaseTracker, frame_paths: Sequence[Any], boxes: np.ndarray) -> Tracks:
    """Tracks (F - 1, M) of targets given by boxes (M, 4) in the first of F frames."""
    state = model.encode(read_frame(frame_paths[0]), boxes)
    parts = [model.track([], state)[0].to('cpu')]
    for start in range(1, len(frame_paths), model.batch_frames):
        frames = [read_frame(p) for p in frame_paths[start : start + model.batch_frames]]
        part, state = model.track(frames, state)
        parts.append(part.to('cpu'))
    return Tracks.cat(parts)


class _SequenceLoop(BaseLoop):
    """Track each sequence of a reader from its first frame and hand the result to the metrics.

    The data loader is used as a list of sequences only: frames are read as the tracker wants them.
    A metric gets ``data_batch = [Sequence]`` and ``data_samples = [dict(name, targets, boxes, scores)]``:
    targets (M,), the columns of the targets that the first frame shows (others cannot be started there),
    boxes (F - 1, M, 4) and scores (F - 1, M), float64 arrays.
    """

    def __init__(
        self, runner: Runner, dataloader: DataLoader | dict, evaluator: Evaluator | dict | list
    ) -> None:
        if isinstance(dataloader, dict):
            # sequences are ragged: nothing to collate
            dataloader = dict(dataloader, collate_fn=dict(type='pseudo_collate'))
        super().__init__(runner, dataloader)
        self.evaluator: Evaluator = (
            evaluator if isinstance(evaluator, Evaluator) else runner.build_evaluator(evaluator)
        )

    def sequences(self) -> Iterator[Any]:
        """This rank's sequences, in the sampler's order."""
        for index in self.dataloader.sampler:
            yield self.dataloader.dataset[index]

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Metrics over all sequences of all ranks."""
        model = self.runner.model
        model.eval()
        tracker = model.module if is_model_wrapper(model) else model
        for sequence in self.sequences():
            targets = np.flatnonzero(sequence.present[0])
            if len(targets):
                tracks = track_sequence(tracker, sequence.frame_paths, sequence.boxes[0, targets])
                boxes, scores = tracks.boxes.double().numpy(), tracks.scores.double().numpy()
            else:
                boxes, scores = np.zeros((len(sequence) - 1, 0, 4)), np.zeros((len(sequence) - 1, 0))
            result = dict(name=sequence.name, targets=targets, boxes=boxes, scores=scores)
            self.evaluator.process(data_samples=[result], data_batch=[sequence])
            print_log(
                f'tracked {sequence.name}: {len(sequence)} frames, {len(targets)} of '
                f'{sequence.num_targets} targets start in the first',
                self.runner.logger,
            )
        return self.evaluator.evaluate(len(self.dataloader.dataset))


@LOOPS.register_module()
class SequenceValLoop(_SequenceLoop):
    """Validation between epochs."""

    def run(self) -> dict[str, float]:
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        metrics = self.evaluate()
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics


@LOOPS.register_module()
class SequenceTestLoop(_SequenceLoop):
    """Test of a finished model."""

    def run(self) -> dict[str, float]:
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        metrics = self.evaluate()
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics
