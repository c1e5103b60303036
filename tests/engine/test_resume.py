"""Which checkpoint a run goes on with, and at which sample."""

import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgtrack.checkpoint import load_checkpoint_file
from mmgtrack.datasets import EpochSampler
from mmgtrack.engine.resume import last_complete_checkpoint
from mmgtrack.errors import CheckpointError, InputError, OutputError
from tests.engine.test_training import clips, small_runner  # noqa: F401  (clips is a fixture)


@pytest.fixture(autouse=True)
def plain_configs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Laying out a config for the logs takes seconds."""
    monkeypatch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **_: (text, True))


def write(folder: Path, *names: str) -> None:
    for name in names:
        state = {'state_dict': {'a': torch.ones(100)}, 'message_hub': {}, 'meta': {'epoch': 0, 'iter': 0}}
        torch.save(state, folder / name)


def name_last(folder: Path, name: str) -> None:
    (folder / 'last_checkpoint').write_text(name and str(folder / name))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:200])


def named(folder: Path) -> None:
    write(folder, 'epoch_1.pth', 'epoch_2.pth')
    name_last(folder, 'epoch_2.pth')


def moved(folder: Path) -> None:
    write(folder, 'epoch_1.pth', 'epoch_2.pth')
    (folder / 'last_checkpoint').write_text('/gone/work_dirs/run/epoch_2.pth')


def missing(folder: Path) -> None:
    write(folder, 'epoch_2.pth', 'epoch_9.pth', 'epoch_10.pth')
    name_last(folder, 'epoch_11.pth')


def truncated(folder: Path) -> None:
    write(folder, 'iter_8.pth', 'iter_10.pth', 'iter_12.pth')
    name_last(folder, 'iter_12.pth')
    cut(folder / 'iter_12.pth')
    cut(folder / 'iter_10.pth')


def older_only(folder: Path) -> None:
    """A newer file is not what was asked for."""
    write(folder, 'iter_8.pth', 'iter_10.pth', 'iter_12.pth')
    name_last(folder, 'iter_10.pth')
    cut(folder / 'iter_10.pth')


def unnamed(folder: Path) -> None:
    write(folder, 'epoch_1.pth', 'epoch_2.pth')


def empty_name(folder: Path) -> None:
    unnamed(folder)
    name_last(folder, '')


def weights_only(folder: Path) -> None:
    write(folder, 'epoch_1.pth')
    torch.save({'a': torch.ones(2)}, folder / 'epoch_2.pth')
    name_last(folder, 'epoch_2.pth')


def copied(folder: Path) -> None:
    """With all that it names still there in the folder it was copied from."""
    named(folder)
    original = folder / 'original'
    original.mkdir()
    write(original, 'epoch_2.pth')
    name_last(original, 'epoch_2.pth')
    (folder / 'last_checkpoint').write_text((original / 'last_checkpoint').read_text())


@pytest.mark.parametrize(
    'prepare, found, remark',
    [
        (named, 'epoch_2.pth', None),
        (moved, 'epoch_2.pth', None),
        (copied, 'epoch_2.pth', None),
        (missing, 'epoch_10.pth', 'no checkpoint file .*epoch_11.pth'),
        (truncated, 'iter_8.pth', 'cannot read .*iter_12.pth'),
        (older_only, 'iter_8.pth', 'cannot read .*iter_10.pth'),
        (unnamed, 'epoch_2.pth', 'the file last_checkpoint is missing or empty'),
        (empty_name, 'epoch_2.pth', 'the file last_checkpoint is missing or empty'),
        (weights_only, 'epoch_1.pth', 'epoch_2.pth holds weights and no state of a training run'),
    ],
)
def test_the_last_complete_checkpoint(
    tmp_path: Path, prepare: Callable[[Path], None], found: str, remark: str | None
) -> None:
    prepare(tmp_path)
    (tmp_path / 'iter_14.pth.part').write_bytes(b'half')
    path, said = last_complete_checkpoint(str(tmp_path))
    assert path == str(tmp_path / found)
    assert not (tmp_path / 'iter_14.pth.part').exists()
    if remark is None:
        assert said is None
    else:
        assert said and re.search(f'^RESUME: .*{remark}.*goes on with .*{found} instead$', said)


def test_an_empty_folder_has_none(tmp_path: Path) -> None:
    assert last_complete_checkpoint(str(tmp_path)) == (None, None)


def test_none_that_can_be_read_is_refused_in_one_line(tmp_path: Path) -> None:
    named(tmp_path)
    for path in tmp_path.glob('*.pth'):
        cut(path)
    with pytest.raises(CheckpointError, match=r'nothing to resume .*epoch_2\.pth.*--resume FILE') as refused:
        last_complete_checkpoint(str(tmp_path))
    assert '\n' not in str(refused.value)


def test_names_of_the_configs_own_are_refused_without_last_checkpoint(tmp_path: Path) -> None:
    """What a run saves as its best holds no optimiser and comes before the first checkpoint."""
    write(tmp_path, 'best_auc_epoch_1.pth')
    (tmp_path / 'notes.pth').write_bytes(b'no checkpoint')
    assert last_complete_checkpoint(str(tmp_path)) == (None, None)
    state = load_checkpoint_file(tmp_path / 'best_auc_epoch_1.pth')
    torch.save({**state, 'optimizer': {}}, tmp_path / 'mine_3.pth')
    with pytest.raises(CheckpointError, match=r'no file last_checkpoint, .*mine_3\.pth.*--resume FILE'):
        last_complete_checkpoint(str(tmp_path))
    name_last(tmp_path, 'mine_3.pth')
    assert last_complete_checkpoint(str(tmp_path)) == (str(tmp_path / 'mine_3.pth'), None)


def test_a_folder_that_cannot_be_looked_into_is_said(tmp_path: Path) -> None:
    (tmp_path / 'iter_1.pth.part').mkdir()
    (tmp_path / 'file').touch()
    for folder in (tmp_path, tmp_path / 'file', tmp_path / 'gone'):
        with pytest.raises(
            CheckpointError, match=f'cannot look for checkpoints in {folder}: .*--resume'
        ) as no:
            last_complete_checkpoint(str(folder))
        assert '\n' not in str(no.value)


class Watch(Hook):
    """The samples a run saw."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.seen: list[int] = []

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        self.seen += [sample.sample_index for sample in data_batch['data_samples']]


def run(clips: Path, folder: Path, **kwargs: Any) -> tuple[list[int], Runner]:  # noqa: F811
    """Three epochs of two batches of two, a checkpoint after each batch."""
    options = {
        'default_hooks.checkpoint': dict(
            type='CheckpointHook', by_epoch=False, interval=1, max_keep_ckpts=-1
        ),
        'train_cfg.max_epochs': 3,
        'val_cfg': None,
        'val_dataloader': None,
        'val_evaluator': None,
        **deepcopy(kwargs.pop('options', {})),  # mmengine takes out _delete_
    }
    runner = small_runner(clips, folder, options=options, **kwargs)
    watch = Watch()
    runner.register_hook(watch)
    runner.train()
    return watch.seen, runner


def log_of(folder: Path) -> str:
    (log,) = folder.glob('*/*.log')
    return log.read_text()


def compare(one: Path, other: Path) -> None:
    first, second = (load_checkpoint_file(path) for path in (one, other))
    for part in ('state_dict', 'ema_state_dict'):
        for key, weight in first[part].items():
            torch.testing.assert_close(second[part][key], weight, rtol=0, atol=1e-6, msg=f'{part} {key}')


ITERATIONS = {'train_cfg': dict(_delete_=True, type='IterBasedTrainLoop', max_iters=6, val_interval=100)}


@pytest.mark.parametrize('options', [{}, ITERATIONS], ids=['epochs', 'iterations'])
def test_a_run_goes_on_at_the_next_sample(clips: Path, tmp_path: Path, options: dict) -> None:  # noqa: F811
    options = {**options, 'param_scheduler': []}
    seen, _ = run(clips, tmp_path / 'whole', options=options)
    assert seen == [*range(12)]
    start = tmp_path / 'whole/iter_3.pth'
    again, _ = run(clips, tmp_path / 'resumed', resume=str(start), options=options)
    assert again == [*range(6, 12)]
    compare(tmp_path / 'whole/iter_6.pth', tmp_path / 'resumed/iter_6.pth')


@pytest.fixture(scope='module')
def twos(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: F811
    """Work folder of an unbroken run with batches of two."""
    folder = tmp_path_factory.mktemp('twos')
    run(clips, folder)
    return folder


def test_another_batch_keeps_the_order_of_samples(clips: Path, twos: Path, tmp_path: Path) -> None:  # noqa: F811
    start = str(twos / 'iter_3.pth')
    seen, runner = run(clips, tmp_path / 'ones', resume=start, options={'train_dataloader.batch_size': 1})
    assert seen == [*range(6, 12)] and runner.iter == 12
    said = 'the batch of all processes was 2 and is 1, an epoch had 2 iterations and has 4: goes on as '
    assert f'{said}iteration 6, 2 samples into the epoch' in log_of(tmp_path / 'ones')


@pytest.mark.parametrize(
    'iteration, num_samples, expected, place',
    [
        (2, 8, [*range(8, 16), *range(16, 24)], 'iteration 4, behind the last batch of epoch 1'),
        (3, 8, [*range(10, 16), *range(16, 24)], 'iteration 5, 2 samples into the epoch'),
        (4, 2, [4, 5], 'iteration 2, behind the last batch of epoch 2'),
        (3, 2, [4, 5], 'iteration 2, behind the last batch of epoch 2'),
    ],
)
def test_another_length_of_epochs_keeps_the_place(
    clips: Path,  # noqa: F811
    twos: Path,
    tmp_path: Path,
    iteration: int,
    num_samples: int,
    expected: list[int],
    place: str,
) -> None:
    """Epochs of 4 samples before; sample n = epoch * length + i."""
    longer = {'train_dataloader.dataset.num_samples': num_samples}
    seen, _ = run(clips, tmp_path, resume=str(twos / f'iter_{iteration}.pth'), options=longer)
    assert seen == expected
    said = f'RESUME: an epoch had 2 iterations and has {num_samples // 2}: goes on as {place}'
    assert said in log_of(tmp_path)


def test_another_count_drops_gradients_that_wait(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    fours = {'optim_wrapper.accumulative_counts': 4}
    run(clips, tmp_path / 'twos', options=fours)
    start = tmp_path / 'twos/iter_3.pth'
    assert load_checkpoint_file(start)['meta']['gradients']
    again = {**fours, 'train_cfg.max_epochs': 1}  # what was resumed is all that there is
    _, runner = run(clips, tmp_path / 'same', resume=str(start), options=again)
    assert any(parameter.grad is not None for parameter in runner.model.parameters())
    assert runner._resumed == {}
    assert 'the gradient of some iterations' not in log_of(tmp_path / 'same')
    ones = {**again, 'train_dataloader.batch_size': 1}
    _, runner = run(clips, tmp_path / 'ones', resume=str(start), options=ones)
    assert all(parameter.grad is None for parameter in runner.model.parameters())
    said = log_of(tmp_path / 'ones')
    assert 'with the learning rates of the checkpoint, which are not scaled again' in said
    assert 'without the gradients of the last batches, which waited for more' in said
    assert 'the gradient of some iterations is lost' in said


def test_a_smaller_last_batch_is_passed_over(clips: Path, tmp_path: Path) -> None:  # noqa: F811
    fives = {
        'train_dataloader.dataset.num_samples': 5,
        'train_dataloader.drop_last': False,
        'train_cfg.max_epochs': 2,
    }
    seen, _ = run(clips, tmp_path / 'whole', options=fives)
    start = str(tmp_path / 'whole/iter_3.pth')
    again, _ = run(clips, tmp_path / 'resumed', resume=start, options=fives)
    assert seen == [*range(10)] and again == [*range(5, 10)]
    ones = {**fives, 'train_dataloader.batch_size': 1}
    again, _ = run(clips, tmp_path / 'ones', resume=start, options=ones)
    assert again == [*range(5, 10)]


def test_more_than_an_epoch_has_is_refused(clips: Path, twos: Path, tmp_path: Path) -> None:  # noqa: F811
    change = {'train_dataloader.dataset.num_samples': 2, 'train_dataloader.batch_size': 1}
    state = torch.load(twos / 'iter_3.pth', weights_only=False)
    state['meta'].update(epoch_length=4, iter=7, batch_size=1)
    torch.save(state, tmp_path / 'iter_7.pth')
    with pytest.raises(CheckpointError, match='is 3 batches into epoch 2, which has 2 here') as refused:
        run(clips, tmp_path / 'work', resume=str(tmp_path / 'iter_7.pth'), options=change)
    assert '\n' not in str(refused.value)


def test_the_newest_is_whole_before_the_oldest_goes(
    clips: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a single one kept, a full disk leaves the one before."""
    from mmengine.fileio import LocalBackend

    write_file = LocalBackend.put

    def put(self: LocalBackend, content: bytes, path: str) -> None:
        if 'iter_3' in str(path):
            write_file(self, content[:1000], path)
            raise OSError(28, 'No space left on device')
        write_file(self, content, path)

    monkeypatch.setattr(LocalBackend, 'put', put)
    with pytest.raises(OutputError, match=r'cannot write the checkpoint .*iter_3\.pth: No space left'):
        run(clips, tmp_path, options={'default_hooks.checkpoint.max_keep_ckpts': 1})
    assert [path.name for path in tmp_path.glob('*.pth*')] == ['iter_2.pth']
    assert load_checkpoint_file(tmp_path / 'iter_2.pth')['meta']['iter'] == 2


def test_the_sampler_passes_over_what_was_seen() -> None:
    sampler = EpochSampler(range(10))
    sampler.set_epoch(2)
    sampler.skip(4)
    assert list(sampler) == [24, 25, 26, 27, 28, 29] and len(sampler) == 10
    sampler.set_epoch(3)
    assert list(sampler) == [*range(30, 40)]
    for number in (-1, 11):
        with pytest.raises(InputError, match=f'from 0 to the 10 of an epoch, got {number}'):
            sampler.skip(number)
