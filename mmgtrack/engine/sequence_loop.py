"""Evaluate a tracker on whole sequences inside mmengine's Runner."""

import os
from abc import abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mmengine.dataset import pseudo_collate
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.evaluator import Evaluator
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch.utils.data import DataLoader, Subset

from mmgtrack.datasets.catalogue import name_of_reader
from mmgtrack.datasets.sequence import Sequence as Video
from mmgtrack.engine.manifest import describe_run, imported_modules
from mmgtrack.engine.overview import Overview
from mmgtrack.engine.processes import from_first
from mmgtrack.engine.result_folder import ResultFolder
from mmgtrack.engine.sequence_groups import Group, deal_out, group_sequences
from mmgtrack.engine.track_group import DATA_FAULTS, BrokenSequence, SequenceResult, track_group
from mmgtrack.errors import InputError, OutputError
from mmgtrack.evaluation.selection import some_of
from mmgtrack.interrupt import InterruptGuard
from mmgtrack.models.base import BaseTracker
from mmgtrack.packaged_configs import suggest
from mmgtrack.progress import TrackProgress
from mmgtrack.registry import LOOPS


class _SequenceLoop(BaseLoop):
    """Track each sequence of a reader from its first frame and hand the result to the metrics.

    The data loader is used as a list of sequences only: frames are read as the tracker wants them.
    A metric gets ``data_batch = [Sequence]`` and, as a dict in ``data_samples``, the ``SequenceResult``:
    name, targets, boxes, scores, present, times. It keeps one entry a sequence, and computes its numbers
    from all of them in the order of the data set, however many processes there are.

    Attributes:
        broken: the sequences without a result in the last run, of all processes.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        evaluator: Evaluator | dict | list,
        videos_per_batch: int = 1,
    ) -> None:
        if isinstance(dataloader, dict):
            # sequences are ragged: nothing to collate
            dataloader = dict(dataloader, collate_fn=dict(type='pseudo_collate'))
        if videos_per_batch < 1:
            raise InputError(f'videos_per_batch must be at least 1, got {videos_per_batch}')
        super().__init__(runner, dataloader)
        # a ``Reader``; shared out by this loop, whatever the loader's sampler does
        self.reader: Any = self.dataloader.dataset
        self._count_as()
        self.evaluator: Evaluator = (
            evaluator if isinstance(evaluator, Evaluator) else runner.build_evaluator(evaluator)
        )
        for metric in self.evaluator.metrics:
            if metric.collect_dir is None:
                metric.collect_device = (
                    'gpu'  # by messages, on any device; 'cpu' is through files in a folder
                )
        self.videos_per_batch = videos_per_batch
        self.broken: tuple[BrokenSequence, ...] = ()

    @property
    def tracker(self) -> BaseTracker:
        """The model without the wrapper of several processes."""
        model = self.runner.model
        tracker: BaseTracker = model.module if is_model_wrapper(model) else model
        return tracker

    def _count_as(self, indices: Sequence[int] | None = None) -> None:
        """Let hooks see these sequences of all processes: mmengine's log tells the loader's length."""
        chosen = range(len(self.reader)) if indices is None else indices
        self.dataloader = DataLoader(Subset(self.reader, chosen), collate_fn=pseudo_collate)

    @abstractmethod
    def evaluate(self) -> dict[str, float]:
        """Metrics over all sequences of all processes."""

    def track(
        self,
        group: Group,
        keep: Callable[[int, Video, SequenceResult], None],
        report: Callable[[int], None] = lambda count: None,
    ) -> list[BrokenSequence]:
        """Track a group; ``keep`` gets the index, the sequence and its result when it ends."""
        videos: dict[str, tuple[int, Video]] = {}
        broken = []
        for index in group:
            try:
                video = self.reader[index]
                videos[video.name] = index, video
            except DATA_FAULTS as error:
                broken.append(BrokenSequence(self.reader.names[index], ' '.join(str(error).split())))
        for outcome in track_group(self.tracker, [video for _, video in videos.values()], report):
            if isinstance(outcome, SequenceResult):
                keep(*videos[outcome.name], outcome)
                self._say(f'tracked {outcome.name}: {len(outcome.times)} frames')
            else:
                broken.append(outcome)
        for each in broken:
            self._say(f'BROKEN, left out: {each.name}: {each.reason}')
        return broken

    def judge(self, indices: Sequence[int], result_of: Callable[[Video], SequenceResult]) -> dict[str, float]:
        """Metrics of those sequences that have a result.

        indices: of the sequences, the same in all processes; result_of: called for this process's share.
        """
        if not indices:
            self._say('no sequence has a result: there is nothing to measure')
            return {}
        rank, processes = get_rank(), get_world_size()
        # mmengine takes turns among the processes when it joins their entries, and cuts what is repeated
        for turn in range(rank, -(-len(indices) // processes) * processes, processes):
            video = self.reader[indices[turn % len(indices)]]
            self.evaluator.process(data_samples=[vars(result_of(video))], data_batch=[video])
        metrics: dict[str, float] = self.evaluator.evaluate(len(indices))
        if self.broken:
            names = some_of([each.name for each in self.broken])
            self._say(f'without a result: {names}; the numbers are over the other {len(indices)} sequences')
            metrics['sequences/broken'] = float(len(self.broken))
        return metrics

    def groups(self, indices: Sequence[int]) -> list[Group]:
        """Those that are tracked together, of these sequences."""
        found = group_sequences([self.reader.num_frames(index) for index in indices], self.videos_per_batch)
        return [tuple(indices[place] for place in group) for group in found]

    def deal_out(self, groups: Sequence[Group]) -> list[list[Group]]:
        """A share of the groups for each process."""
        lengths = [self.reader.num_frames(index) for index in range(len(self.reader))]
        return deal_out(groups, lengths, get_world_size())

    def _say(self, text: str) -> None:
        print_log(text, self.runner.logger)


@LOOPS.register_module()
class SequenceValLoop(_SequenceLoop):
    """Validation between epochs; nothing is written, and broken sequences are left out."""

    def run(self) -> dict[str, float]:
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        self.runner.model.eval()
        metrics = self.evaluate()
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics

    def evaluate(self) -> dict[str, float]:
        own: dict[int, SequenceResult] = {}
        broken: list[BrokenSequence] = []
        for group in self.deal_out(self.groups(range(len(self.reader))))[get_rank()]:
            broken += self.track(group, lambda index, _, result: own.update({index: result}))
        results, self.broken = _joined(own, broken)
        by_name = {result.name: result for result in results.values()}
        return self.judge(sorted(results), lambda video: by_name[video.name])


@LOOPS.register_module()
class SequenceTestLoop(_SequenceLoop):
    """Test of a finished model: a result file a sequence, and metrics of what the files say.

    A run that was cut off goes on where it was: groups with all their files are not tracked again. Results do
    not depend on the number of processes, as ``videos_per_batch`` sequences of similar length go through the
    network together whoever tracks them. Sequences that break are listed and left out.

    Args:
        videos_per_batch: how many sequences at a time: faster for trackers that go frame by frame.
        out: folder of the results, a ``ResultFolder``; default ``results/<data set>`` in the work folder.
        overwrite: remove earlier results first.
        sequences: names; None: all.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        evaluator: Evaluator | dict | list,
        videos_per_batch: int = 1,
        out: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        sequences: Sequence[str] | None = None,
    ) -> None:
        super().__init__(runner, dataloader, evaluator, videos_per_batch)
        self.settings: dict[str, Any] = dict(runner.cfg.get('test_dataloader') or {}).get('dataset') or {}
        place = out or Path(runner.work_dir) / 'results' / name_of_reader(self.settings)
        self.folder = ResultFolder(place)
        self.overwrite = overwrite
        self.indices = _chosen(self.reader.names, sequences)
        self._count_as(self.indices)

    def run(self) -> dict[str, float]:
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        self.runner.model.eval()
        metrics = self.evaluate()
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics

    def evaluate(self) -> dict[str, float]:
        groups = self.groups(self.indices)
        with ExitStack() as stack:
            left = from_first(lambda: self._open(stack, groups))
            self.broken = self._track_share(left)
            if get_rank() == 0:
                self.folder.write_failed(self.broken)
            without = {each.name for each in self.broken}
            done = [index for index in self.indices if self.reader.names[index] not in without]
            return self.judge(done, self.folder.read)

    def _open(self, stack: ExitStack, groups: Sequence[Group]) -> list[Group]:
        """Take the folder; the groups that are left to do."""
        stack.enter_context(self.folder.opened(self._manifest(groups), overwrite=self.overwrite))
        return [group for group in groups if not self._is_done(group)]

    def _track_share(self, left: Sequence[Group]) -> tuple[BrokenSequence, ...]:
        """Track this process's share of the groups; what is broken in all shares."""
        share = self.deal_out(left)[get_rank()]
        names = self.reader.names
        lengths = {names[index]: self.reader.num_frames(index) for group in left for index in group}
        own = frozenset(names[index] for group in share for index in group)
        total = sum(lengths.values())
        self._say(f'{sum(map(len, left))} of {len(self.indices)} sequences to track, {total} frames')
        broken: list[BrokenSequence] = []
        with TrackProgress(total, quiet=get_rank() != 0 or not left) as progress:
            overview = Overview(self.folder, lengths, own, self.runner.logger, progress)
            advance = overview.advance if get_rank() == 0 else progress.advance
            # Ctrl-C between chunks: raised anywhere, a callback that swallows exceptions may swallow it
            with InterruptGuard(lambda: None) as guard:

                def report(frames: int) -> None:
                    advance(frames)
                    if guard.requested:
                        raise KeyboardInterrupt

                for group in share:
                    broken += self.track(group, self._keep, report)
            _, all_broken = _joined({}, broken)  # waits for the others
            if get_rank() == 0:
                overview.look()
        return all_broken

    def _keep(self, index: int, video: Video, result: SequenceResult) -> None:
        self.folder.write(video, result)

    def _is_done(self, group: Group) -> bool:
        """Whether all sequences of a group have all their files."""
        names = self.reader.names
        if not all(self.folder.has(names[index]) for index in group):
            return False
        try:
            return all(self.folder.is_complete(self.reader[index]) for index in group)
        except OutputError:
            raise
        except DATA_FAULTS:
            # damaged, or broken since it was tracked: that is said when it is tracked again
            return False

    def _manifest(self, groups: Sequence[Group]) -> dict[str, Any]:
        names = [self.reader.names[index] for index in self.indices]
        model = self.runner.cfg.get('model') or {}
        imports = imported_modules(self.runner.cfg)
        return describe_run(self.tracker, model, self.settings, names, groups, imports)


def _chosen(names: Sequence[str], wanted: Sequence[str] | None) -> tuple[int, ...]:
    """Indices of the wanted names, in the order of the data set. Raises InputError for an unknown one."""
    if wanted is None:
        return tuple(range(len(names)))
    unknown = next((name for name in wanted if name not in names), None)
    if unknown is not None:
        raise InputError(f'the data set has no sequence {unknown!r}; {suggest(unknown, names)}')
    return tuple(index for index, name in enumerate(names) if name in set(wanted))


def _joined(
    own: dict[int, SequenceResult], broken: Sequence[BrokenSequence]
) -> tuple[dict[int, SequenceResult], tuple[BrokenSequence, ...]]:
    """Results by index, and broken sequences by name, of all processes.

    mmengine's own ways of gathering take turns among the processes, which is wrong for whole videos.
    """
    results: dict[int, SequenceResult] = {}
    lists: list[BrokenSequence] = []
    for others, more in all_gather_object((own, list(broken))):
        results.update(others)
        lists += more
    return results, tuple(sorted(lists, key=lambda each: each.name))
