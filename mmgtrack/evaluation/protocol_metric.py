"""A benchmark's own numbers in mmengine's Evaluator."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from mmgtrack.errors import InputError
from mmgtrack.evaluation.benchmarks import find_protocol
from mmgtrack.evaluation.evaluate import Evaluation, evaluate
from mmgtrack.evaluation.results.as_read import TargetTrack, check_one_run, target_tracks, write_for
from mmgtrack.registry import METRICS


@METRICS.register_module()
class ProtocolMetric(BaseMetric):
    """The numbers that ``mmgtrack evaluate`` gives of the same rows, by the same code; shares in [0, 1].

    Args:
        protocol: such as 'lasot', or 'lasot@pysot'; ``mmgtrack evaluate --list`` names them all.
        annotations: folder of the benchmark.

    Raises InputError for an unknown protocol, or one that needs other runs; DataError without annotations.
    """

    def __init__(
        self,
        protocol: str,
        annotations: str | os.PathLike[str],
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        self.protocol = find_protocol(protocol)
        try:
            check_one_run(self.protocol)
        except InputError as error:
            raise InputError(f'{error}; for results without numbers: --protocol none') from error
        self.annotations = Path(annotations)
        # now rather than when all is tracked
        self.names = self.protocol.benchmark.annotations(self.annotations).names
        super().__init__(collect_device, prefix or self.protocol.name, collect_dir)

    def process(self, data_batch: Sequence[Any], data_samples: Sequence[dict[str, Any]]) -> None:
        for sequence, result in zip(data_batch, data_samples, strict=True):
            # one entry a sequence: mmengine cuts the joint list to their number
            self.results.append(target_tracks(sequence, result))

    def compute_metrics(self, results: list[list[TargetTrack]]) -> dict[str, float]:
        tracks = [track for part in results for track in part]
        with tempfile.TemporaryDirectory() as folder:
            for track in tracks:
                write_for(self.protocol, Path(folder), track)
            evaluation = self._evaluate(folder, {track.name for track in tracks})
        for note in evaluation.notes:
            print_log(f'{self.protocol.name}: {note}', 'current')
        return dict(evaluation.scores.values)

    def _evaluate(self, folder: str, there: set[str]) -> Evaluation:
        # in the order of the annotations, as without a list: sums and bootstraps depend on it
        names = [name for name in self.names if name in there]
        unknown = sorted(there - set(names))
        (evaluation,) = evaluate(self.protocol, [folder], self.annotations, sequences=[*names, *unknown])
        return evaluation
