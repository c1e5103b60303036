"""From a config and a checkpoint to result files, a benchmark's numbers, and a submission."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.dist import get_rank
from mmengine.runner import BaseLoop
from torch import nn

from mmgtrack.apis.models import build_tracker, load_config
from mmgtrack.apis.submission import pack_results, submission_kind
from mmgtrack.checkpoint import use_safe_loading
from mmgtrack.datasets.catalogue import DataSet, find_data_set, reader_config
from mmgtrack.datasets.data_root import default_data_folder
from mmgtrack.engine.launch import make_work_folder
from mmgtrack.engine.options import merge_options
from mmgtrack.engine.processes import from_first, joined_processes
from mmgtrack.engine.runner import TrackerRunner
from mmgtrack.engine.sequence_loop import SequenceTestLoop
from mmgtrack.engine.track_group import BrokenSequence
from mmgtrack.errors import InputError, MMGTrackError, OutputError
from mmgtrack.evaluation import ProtocolMetric
from mmgtrack.files import check_target
from mmgtrack.models.base import BaseTracker
from mmgtrack.registry import LOOPS

# what a test has no use for
_TRAINING = ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler')
_VALIDATION = ('val_dataloader', 'val_cfg', 'val_evaluator')
_SEQUENCES = {'type': 'mmgtrack.SequenceTestLoop'}


@dataclass(frozen=True)
class TestOptions:
    """How to test.

    work_dir: folder of the log, by default ``work_dirs/<config name>``; out: of the results, by default
    ``results/<data set>`` in it. data: a data set by name, in ``data_root`` or where the catalogue looks for
    it; by default the config's test set. protocol: another one than the data set's own, 'none':
    results without numbers. sequences: names;
    None: all. submission: archive to pack for the data set's server. launcher: what started the processes.
    """

    __test__ = False  # it is no test of pytest

    work_dir: str | None = None
    out: str | None = None
    data: str | None = None
    data_root: str | None = None
    protocol: str | None = None
    sequences: Sequence[str] | None = None
    submission: str | None = None
    videos_per_batch: int | None = None
    precision: str = 'float32'
    device: str | None = None
    overwrite: bool = False
    launcher: str = 'none'


@dataclass(frozen=True)
class TestReport:
    """What came out.

    folder: of the results, None where the config's loop writes none; total: number of sequences; broken:
    those without a result; metrics: all, by name; headline: those that are over all sequences; absolute:
    those of them that are no shares in [0, 1]; is_first: whether this is the first of all processes; problem:
    why the submission could not be packed.
    """

    __test__ = False

    folder: Path | None
    total: int
    broken: tuple[BrokenSequence, ...]
    metrics: Mapping[str, float]
    headline: Mapping[str, float]
    absolute: frozenset[str]
    is_first: bool
    problem: MMGTrackError | None = None


class TestRunner(TrackerRunner):
    """mmengine's Runner for a finished tracker, which is neither loaded, moved nor wrapped once more."""

    __test__ = False
    tracker: BaseTracker

    @classmethod
    def of(cls, tracker: BaseTracker, settings: Config) -> 'TestRunner':
        """For one tracker."""
        own: type[TestRunner] = type(cls.__name__, (cls,), {'tracker': tracker})
        runner: TestRunner = own.from_cfg(settings)
        return runner

    def build_model(self, model: nn.Module | dict[str, Any]) -> nn.Module:
        return self.tracker

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        return model

    def load_or_resume(self) -> None:
        """Nothing: the tracker has its weights."""


def run_test(
    config: str, checkpoint: str | None, options: TestOptions, overrides: Mapping[str, Any] | None = None
) -> TestReport:
    """Test a tracker; started again after it was cut off, it goes on where it was.

    config: file, or name of a model; checkpoint: weights, None for a tracker that has none; overrides: config
    keys to override, dotted. In several processes all return the same report, and the first one packs;
    what is wrong with the submission is in its report, as numbers and results are good without it.
    Raises InputError, CheckpointError, DataError, OutputError.
    """
    data_set = find_data_set(options.data) if options.data is not None else None
    if options.submission is not None:
        _check_submission(options, data_set)
    with joined_processes(options.launcher) as local_rank:
        name, settings = load_config(config)
        merge_options(settings, overrides or {})
        device = _device(options.device, local_rank)
        tracker = build_tracker(config, checkpoint, device, precision=options.precision, options=overrides)
        if checkpoint is None and any(True for _ in tracker.parameters()):
            raise InputError(f'{config} has weights: give a CHECKPOINT')
        _choose_test(settings, options, data_set)
        settings.work_dir = options.work_dir or settings.get('work_dir') or str(Path('work_dirs') / name)
        settings.launcher = options.launcher
        make_work_folder(settings.work_dir)
        use_safe_loading()
        runner = TestRunner.of(tracker, settings)
        metrics = runner.test()
        report = _report(runner.test_loop, metrics)
        if data_set is not None and options.submission is not None and not report.broken:
            try:
                from_first(lambda: _pack(runner.test_loop, data_set, options))
            except MMGTrackError as error:
                return replace(report, problem=error)
        return report


def _report(loop: BaseLoop, metrics: dict[str, float]) -> TestReport:
    is_first = get_rank() == 0
    if not isinstance(loop, SequenceTestLoop):  # of mmtrack's data sets, say, which write no results
        return TestReport(
            None, len(loop.dataloader.dataset), (), metrics, metrics, frozenset(metrics), is_first
        )
    protocols = [metric.protocol for metric in loop.evaluator.metrics if isinstance(metric, ProtocolMetric)]
    columns = {f'{p.name}/{column}': p for p in protocols for column in p.rule.columns}
    return TestReport(
        loop.folder.path,
        len(loop.indices),
        loop.broken,
        metrics,
        {name: metrics[name] for name in ('success/auc', *columns) if name in metrics},
        frozenset(name for name, p in columns.items() if name.partition('/')[2] in p.rule.absolute),
        is_first,
    )


def _pack(loop: Any, data_set: DataSet, options: TestOptions) -> None:
    root = Path(loop.settings['root'])
    out = str(options.submission)
    pack_results(data_set, loop.folder, loop.reader, root, out, overwrite=options.overwrite)


def _device(wanted: str | None, local_rank: int) -> str:
    """This process's own GPU, or the processor."""
    count = torch.cuda.device_count() if wanted != 'cpu' else 0
    if wanted == 'cpu' or (wanted is None and not count):
        return 'cpu'
    if local_rank >= count:
        raise InputError(
            f'process {local_rank + 1} of this machine needs a CUDA GPU of its own, but torch can use {count}'
        )
    torch.cuda.set_device(local_rank)
    return f'cuda:{local_rank}'


def _choose_test(settings: Config, options: TestOptions, data_set: DataSet | None) -> None:
    """Write into the settings which data, which numbers, and how."""
    for key in (*_TRAINING, *_VALIDATION):
        settings[key] = None
    # a checkpoint has the averaged weights, as far as it was trained with some
    settings.custom_hooks = [
        hook for hook in settings.get('custom_hooks') or [] if not str(hook.get('type')).endswith('EMAHook')
    ]
    if data_set is not None:
        root = options.data_root or default_data_folder() / data_set.folder
        settings.test_dataloader = dict(
            batch_size=1,
            num_workers=0,
            sampler=dict(type='DefaultSampler', shuffle=False),
            dataset=reader_config(data_set.name, root),
        )
        settings.test_evaluator = _metrics(data_set.protocol, root)
    elif options.data_root is not None:
        _test_set(settings).root = options.data_root
    root = _test_set(settings).get('root')
    if options.protocol is not None:
        settings.test_evaluator = _metrics(options.protocol, root)
    loop = dict(settings.get('test_cfg') or _SEQUENCES)
    is_ours = _tracks_sequences(loop)
    if data_set is not None and not is_ours:
        loop, is_ours = dict(_SEQUENCES), True
    given = dict(
        out=options.out,
        sequences=options.sequences,
        videos_per_batch=options.videos_per_batch,
        overwrite=options.overwrite or None,
    )
    given = {key: value for key, value in given.items() if value is not None}
    if given and not is_ours:
        option = next(iter(given)).replace('_', '-')
        raise InputError(
            f'--{option} needs {_SEQUENCES["type"]}, but the loop in the test_cfg of the config is '
            f'{loop.get("type", "that of mmengine")}; leave it out, or give --data'
        )
    settings.test_cfg = loop | given


def _tracks_sequences(loop: Mapping[str, Any]) -> bool:
    kind = loop.get('type')
    found = LOOPS.get(kind) if isinstance(kind, str) else kind
    return isinstance(found, type) and issubclass(found, SequenceTestLoop)


def _test_set(settings: Config) -> Any:
    loader = settings.get('test_dataloader')
    if not loader:
        raise InputError('the config names no test set: give one with --data NAME')
    return loader.dataset


def _metrics(protocol: str | None, root: Any) -> list[dict[str, Any]]:
    """None for a test set whose truth is withheld, 'none' where they are not wanted."""
    if protocol in (None, 'none'):
        return []
    return [dict(type='mmgtrack.ProtocolMetric', protocol=protocol, annotations=str(root))]


def _check_submission(options: TestOptions, data_set: DataSet | None) -> None:
    """Better before the work."""
    submission_kind(data_set)
    if options.sequences is not None:
        raise InputError('a submission holds all sequences: leave out --sequences')
    file = Path(str(options.submission))
    check_target(file)
    if file.exists() and not options.overwrite:
        raise OutputError(f'{file} exists already; choose another name, or replace it with --overwrite')
