"""tools/analysis/size_arms.py from end to end: tiny trainings in processes of their own, tables, locks."""

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from mmgtrack.apis.arm_queue import LOCK, Plan, Run, digest_of, do_run, locked
from mmgtrack.errors import DataError
from mmgtrack.packaged_configs import find_config
from tests.tools.small_points import SMALL_POINTS, stills
from tests.trackers import CONFIGS, ROOT

TOOL = ROOT / 'tools/analysis/size_arms.py'
HOLD = """import sys, time
from pathlib import Path
from mmgtrack.apis.arm_queue import locked
with locked(Path(sys.argv[1])) as lock:
    print(lock is not None, flush=True)
    time.sleep(100)
"""


@pytest.fixture(scope='module')
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Still images, three configs (one of them fails), and a table of experiments."""
    folder = tmp_path_factory.mktemp('arms')
    stills(folder / 'images')
    small = Config.fromfile(CONFIGS / 'ablations/point_track_study.py')
    reader = dict(type='mmgtrack.CocoImages', root=str(folder / 'images'))
    small.merge_from_dict(SMALL_POINTS)
    small.model.backbone.init_cfg = None
    small.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    small.train_dataloader.dataset.sources = [reader]
    changes = dict(one={}, other={'num_points': 1}, same={}, wrong={'num_points': 0})
    for name, change in changes.items():
        small.model.bbox_head.loss_point = dict(type='mmgtrack.MaxPointLoss', **{'num_points': 4, **change})
        small.dump(folder / f'{name}.py')
    arms: dict[str, Any] = {f'the {name}': str(folder / f'{name}.py') for name in changes}
    arms['the same'] = dict(config=arms['the same'], base='the other')
    table = dict(mine=dict(title='My arms', base='the one', arms=arms))
    (folder / 'tables.py').write_text(f'experiments = {table!r}\n')
    return folder


def words(place: Path, *more: object) -> list[str]:
    given = [
        '--tables', place / 'tables.py', '--work-dir', place / 'work', '--pairs', place / 'images',
        '--num-pairs', 12, '--steps', 1, '--device', 'cpu',
    ]  # fmt: skip
    return [str(TOOL), *map(str, given), *map(str, more)]


def run(monkeypatch: pytest.MonkeyPatch, place: Path, *more: object, status: int = 0) -> None:
    monkeypatch.setattr(sys, 'argv', words(place, *more))
    if status == 0:
        runpy.run_path(str(TOOL), run_name='__main__')
        return
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert ended.value.code == status


def rows_of(place: Path, name: str) -> Path:
    return max((place / 'work' / name).glob('pairs_*.jsonl'), key=lambda path: path.stat().st_size)


def test_arms_are_trained_measured_and_told(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, place, '--seeds', 0, status=1)
    printed = capsys.readouterr().out
    assert re.findall('^== (.*),', printed, re.MULTILINE) == ['one_seed0', 'other_seed0', 'wrong_seed0']
    assert re.search('wrong_seed0: training ended with status 2: .*num_points', printed)
    out = place / 'work/tables'
    text = (out / 'mine_pairs.md').read_text()
    report = json.loads((out / 'mine_pairs.json').read_text())
    bases = {'the other': 'the one', 'the same': 'the other', 'the wrong': 'the one'}
    assert text.startswith('# My arms\n') and report['bases'] == bases
    assert '| the other | the one | 1 |' in text and '| the same | the other | 1 |' in text
    # equal configs are one training
    assert report['arms']['the same'] == report['arms']['the one'] and report['arms']['the wrong'] == {}
    total = report['arms']['the other']['0']['total']
    assert f'| the other | 1 | {100 * total["hit"][0]:.1f} |' in text
    assert total['frames'] == report['arms']['the one']['0']['total']['frames'] > 8
    assert cv2.imread(str(out / 'mine_pairs.png')).shape[1] > 1000

    # again, with another seed of one arm: nothing is done twice
    made = {path: path.stat().st_mtime_ns for path in (place / 'work').rglob('*.pth')}
    run(monkeypatch, place, '--seeds', 0, 1, '--arms', 'the one')
    assert {path: path.stat().st_mtime_ns for path in made} == made
    report = json.loads((out / 'mine_pairs.json').read_text())
    assert set(report['arms']['the one']) == {'0', '1'} and set(report['arms']['the other']) == {'0'}
    text = (out / 'mine_pairs.md').read_text()
    values = [report['arms']['the one'][seed]['total']['auc'][0] * 100 for seed in '01']
    assert f'| the one | 2 | {np.mean(values):.1f} ({min(values):.1f} to {max(values):.1f}) |' in text
    assert '| the other | the one | 1 |' in text and '| the other | 1 |' in text
    weights = [(place / f'work/one_seed{seed}/epoch_1.pth').read_bytes() for seed in (0, 1)]
    assert weights[0] != weights[1]

    # other trainings do not mix with these
    run(monkeypatch, place, '--steps', 2, '--arms', 'one', status=1)
    assert 'trained by another config or number of steps: remove it' in capsys.readouterr().out
    # nor do other pairs take their numbers away: the tables tell what was measured on these
    run(monkeypatch, place, '--num-pairs', 3, '--arms', 'the one')
    few = json.loads((out / 'mine_pairs.json').read_text())['arms']
    assert set(few['the one']) == {'0'} and few['the other'] == {}
    assert len(list((place / 'work/one_seed0').glob('pairs_*.jsonl'))) == 2
    # what is measured needs no weights, and seeds that were not asked for are told, too
    (place / 'work/one_seed0/epoch_1.pth').unlink()
    damaged = rows_of(place, 'other_seed0')
    damaged.write_text(damaged.read_text() + '{"clip": 3}\n')
    capsys.readouterr()
    run(monkeypatch, place, '--seeds', 0, '--arms', 'the one')
    assert 'left out of the tables: ' in capsys.readouterr().out
    assert not (place / 'work/one_seed0/epoch_1.pth').exists()
    arms = json.loads((out / 'mine_pairs.json').read_text())['arms']
    assert arms['the one'] == report['arms']['the one'] and arms['the other'] == {}
    # what another process is doing is left to it
    with locked(place / 'work/other_seed0') as lock:
        assert lock is not None
        run(monkeypatch, place, '--arms', 'the other')
    assert 'locked by another process: other_seed0' in capsys.readouterr().out


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    folder = tmp_path / 'run'
    holder = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert holder.stdout is not None and holder.stdout.readline() == 'True\n'
    with locked(folder) as lock:
        assert lock is None and (folder / LOCK).exists()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(folder) as lock:
        assert lock is not None
    with locked(folder) as lock:
        assert lock is not None


def started(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """The queue in a process group of its own, when its training has said something."""
    queue = subprocess.Popen([sys.executable, *command], cwd=ROOT, start_new_session=True)
    for _ in range(3000):
        if log.is_file() and log.stat().st_size:
            break
        time.sleep(0.1)
    return queue


def test_cut_off_it_starts_anew_and_finished_it_is_not_trained_again(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ['--arms', 'other', '--work-dir', tmp_path]
    folder = tmp_path / 'other_seed0'
    queue = started(words(place, *more, '--steps', 400), folder / 'train.log')
    os.killpg(queue.pid, signal.SIGINT)
    assert queue.wait(300) == 130
    mark = json.loads((folder / 'training.json').read_text())
    assert mark['model'] is None and not list(folder.glob('*.pth')) and not list(folder.glob('*.jsonl'))
    # nothing was trained yet: another number of steps is not mixed with it
    run(monkeypatch, place, *more, '--steps', 2)
    weights, time_of = folder / 'epoch_1.pth', (folder / 'epoch_1.pth').stat().st_mtime_ns
    done = json.loads((folder / 'training.json').read_text())
    assert done['model'] is not None and done['config'] != mark['config'] and done['code'] == mark['code']
    # again, without what was measured: the training stays
    (rows,) = folder.glob('pairs_*.jsonl')
    text = rows.read_text()
    rows.unlink()
    run(monkeypatch, place, *more, '--steps', 2)
    assert rows.read_text() == text and weights.stat().st_mtime_ns == time_of
    # a checkpoint of an unfinished training that was another: by its steps, its code, or nobody knows what
    unfinished = done | dict(model=None)
    for change, message in (
        (dict(config='0'), 'trained by another config or number of steps: remove it'),
        (dict(code='0', device='1'), 'trained by another version of the code, another device: remove it'),
        (None, 'has a training without training.json: remove it'),
    ):
        (folder / 'training.json').unlink()
        if change is not None:
            (folder / 'training.json').write_text(json.dumps(unfinished | change))
        run(monkeypatch, place, *more, '--steps', 2, status=1)
        assert message in capsys.readouterr().out and weights.stat().st_mtime_ns == time_of


def test_tables_that_cannot_be_written_are_known_before_the_work(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / 'file').write_text('')
    run(monkeypatch, place, '--work-dir', tmp_path / 'work', '--out', tmp_path / 'file/out', status=2)
    assert 'give another --out' in capsys.readouterr().err and not (tmp_path / 'work').exists()


def test_a_digest_is_of_what_is_trained_wherever_the_data_lie(place: Path, tmp_path: Path) -> None:
    digests = []
    for root in ('data', str(tmp_path / 'data')):
        config = Config.fromfile(place / 'one.py')
        config.data_root = root
        config.train_dataloader.dataset.sources[0].root = f'{root}/images'
        (tmp_path / root).mkdir(exist_ok=True, parents=True)
        config.dump(tmp_path / root / 'one.py')
        digests.append(digest_of(Run(tmp_path / root / 'one.py', 0), Plan(tmp_path, {})))
    config.train_dataloader.dataset.sources[0].root = str(tmp_path / 'data2/images')
    config.dump(tmp_path / 'other.py')
    assert digests[0] == digests[1] != digest_of(Run(tmp_path / 'other.py', 0), Plan(tmp_path, {}))


@pytest.mark.parametrize(
    ('more', 'message'),
    [
        (['--experiments', 'mime'], "there is no experiment 'mime'; did you mean mine?"),
        (['--arms', 'the ones'], "there is no arm 'the ones'; did you mean the one"),
        (['--steps', '0'], 'expected --seeds >= 0 and --steps >= 1, got [0] and 0'),
        (['--seeds', '1', '-1'], 'expected --seeds >= 0'),
        (['--pairs', 'nowhere'], 'nowhere is no folder'),
    ],
)
def test_what_is_asked_wrongly_is_said_before_the_work(
    place: Path,
    more: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(monkeypatch, place, *more, '--work-dir', place / 'none', status=2)
    assert message in capsys.readouterr().err
    assert not (place / 'none').exists()


@pytest.mark.parametrize(
    'text',
    [
        'experiments = dict(a=dict(title="a", base="b", arms=dict(c="one.py")))',
        'experiments = dict(a=dict(title="a", base="b"))',
        'experiments = dict(a=dict(title="a", base="c", arms=dict(c=dict(config="one.py", base="d"))))',
        'others = dict()',
    ],
)
def test_tables_that_are_none(
    text: str, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'tables.py').write_text(text)
    run(monkeypatch, place, '--tables', tmp_path / 'tables.py', status=2)


def test_the_shipped_arms_differ_from_the_base_in_what_their_names_say() -> None:
    tables = runpy.run_path(str(ROOT / 'tools/analysis/size_tables.py'))['experiments']
    arms = [arm for each in tables.values() for arm in each['arms'].values()]
    names = {arm if isinstance(arm, str) else arm['config'] for arm in arms}
    assert all(each['base'] in each['arms'] for each in tables.values())
    files = [find_config(name.removeprefix('mmgtrack::')) for name in names]
    shipped = set((CONFIGS / 'ablations').glob('point_track_study*.py'))
    assert {file.resolve() for file in files} == {file.resolve() for file in shipped}
    plan = Plan(Path('none'), {})
    digests = {file.stem: digest_of(Run(file, 0), plan) for file in files}
    equal = [name for name, digest in digests.items() if digest == digests['point_track_study']]
    # nothing is trained twice, and the base has one of the k
    assert len(set(digests.values())) == len(digests) - 1 and len(equal) == 2
    assert digest_of(Run(files[0], 1), plan) != digest_of(Run(files[0], 0), plan)


def test_a_damaged_mark_is_named(place: Path, tmp_path: Path) -> None:
    run = Run(place / 'one.py', 0)
    (tmp_path / run.name).mkdir()
    for text in ('{', '{"config": "0"}'):
        (tmp_path / run.name / 'training.json').write_text(text)
        with pytest.raises(DataError, match='is damaged: remove'):
            do_run(run, Plan(tmp_path, {}, 'cpu', 1))
