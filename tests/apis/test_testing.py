"""One command from a checkpoint to the archive that a server takes, and to a benchmark's numbers."""

import csv
import io
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mmgtrack.apis.testing import TestOptions, TestReport, run_test
from mmgtrack.datasets.synthetic import synthetic_clip
from mmgtrack.errors import InputError, OutputError
from mmgtrack.evaluation.evaluate import evaluate
from mmgtrack.formats.track_csv import parse_track_csv
from tests.engine.small_tests import write_small

FRAMES = 5


def write_frames(folder: Path, names: str, seed: int, first: int = 0) -> np.ndarray:
    """Frames of a clip; its boxes (F, 4) x, y, w, h."""
    clip = synthetic_clip(num_frames=FRAMES, size=(64, 96), seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(clip.frames, first):
        cv2.imwrite(str(folder / names.format(number)), frame)
    boxes = clip.boxes[:, 0].astype(float)
    boxes[:, 2:] -= boxes[:, :2]
    return boxes


def rows(boxes: np.ndarray) -> str:
    return ''.join(','.join(f'{value:.4f}' for value in box) + '\n' for box in boxes)


def write_got10k(root: Path) -> None:
    names = [f'GOT-10k_Test_{n:06d}' for n in (1, 2)]
    for seed, name in enumerate(names):
        boxes = write_frames(root / 'test' / name, '{:08d}.jpg', seed, first=1)
        (root / 'test' / name / 'groundtruth.txt').write_text(rows(boxes[:1]))
    (root / 'test/list.txt').write_text('\n'.join(names))


def write_tracking_net(root: Path) -> None:
    (root / 'TEST/anno').mkdir(parents=True)
    for seed, name in enumerate(('0-6LB4FqxoE_0', 'B-abc_1')):
        boxes = write_frames(root / 'TEST/frames' / name, '{}.jpg', seed)
        (root / 'TEST/anno' / f'{name}.txt').write_text(rows(boxes[:1]))


def write_oxuva(root: Path) -> None:
    (root / 'tasks').mkdir(parents=True)
    lines = []
    for seed, video in enumerate(('vid0000', 'vid0001')):
        x, y, w, h = write_frames(root / 'images/test' / video, '{:06d}.jpeg', seed, first=30)[0]
        lines.append(f'{video},obj0000,30,{29 + FRAMES},{x / 96},{(x + w) / 96},{y / 64},{(y + h) / 64}\n')
    (root / 'tasks/test.csv').write_text(''.join(lines))


def write_vot(root: Path) -> None:
    for seed, name in enumerate(('ants', 'bag')):
        boxes = write_frames(root / 'sequences' / name / 'color', '{:08d}.jpg', seed, first=1)
        (root / 'sequences' / name / 'groundtruth.txt').write_text(rows(boxes))
    (root / 'sequences/list.txt').write_text('ants\nbag\n')


def write_own(root: Path) -> None:
    for seed, name in enumerate(('cup', 'ball')):
        boxes = write_frames(root / name / 'img', '{:06d}.jpg', seed, first=1)
        (root / name / 'groundtruth.txt').write_text(rows(boxes))


@pytest.fixture(scope='module')
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp('small')
    return write_small(folder, 'stark', folder)


def run(folder: Path, small: tuple[Path, Path], **options: Any) -> TestReport:
    """Results are in ``folder/out``."""
    chosen = dict(work_dir=str(folder / 'work'), out=str(folder / 'out'), device='cpu') | options
    overrides = {'experiment_name': f'{folder}{time.monotonic_ns()}'}
    checkpoint = None if small[1].name == 'none' else str(small[1])
    return run_test(str(small[0]), checkpoint, TestOptions(**chosen), overrides)


@pytest.mark.parametrize(
    'data, write, files',
    [
        (
            'got10k_test',
            write_got10k,
            [f'{name}/{name}_{end}.txt' for name in ('GOT-10k_Test_000001',) for end in ('001', 'time')],
        ),
        ('trackingnet', write_tracking_net, ['0-6LB4FqxoE_0.txt', 'B-abc_1.txt']),
        ('oxuva_test', write_oxuva, ['vid0000_obj0000.csv', 'vid0001_obj0000.csv']),
        (
            'vot_longterm',
            write_vot,
            ['manifest.yml', *(f'longterm/bag/bag_001{end}' for end in ('.txt', '_confidence.value'))],
        ),
        ('folder', write_own, ['ball.txt', 'cup.txt']),
    ],
)
def test_submissions(
    data: str, write: Callable[[Path], None], files: list[str], small: Any, tmp_path: Path
) -> None:
    write(tmp_path / 'data')
    target = tmp_path / 'archive.zip'
    options = dict(data=data, data_root=str(tmp_path / 'data'), submission=str(target))
    report = run(tmp_path, small, **options)
    assert (report.total, report.broken) == (2, ())
    names = zipfile.ZipFile(target).namelist()
    assert [file for file in files if file not in names] == []
    with pytest.raises(OutputError, match=r'archive\.zip exists already'):
        run(tmp_path, small, **options)


def test_predictions_of_oxuva_are_shares_numbered_as_the_video(small: Any, tmp_path: Path) -> None:
    write_oxuva(tmp_path / 'data')
    target = tmp_path / 'archive.zip'
    run(tmp_path, small, data='oxuva_test', data_root=str(tmp_path / 'data'), submission=str(target))
    text = zipfile.ZipFile(target).read('vid0001_obj0000.csv').decode()
    written = list(csv.reader(io.StringIO(text)))
    assert [int(row[2]) for row in written] == [31, 32, 33, 34]
    track = parse_track_csv((tmp_path / 'out/vid0001_obj0000.csv').read_text(), 'track')
    for row, box, score, present in zip(
        written, track.boxes[1:], track.scores[1:], track.present[1:], strict=True
    ):
        assert row[3] == ('true' if present else 'false') and float(row[4]) == score
        x, y, w, h = box / [96, 64, 96, 64]
        expected = [x, x + w, y, y + h] if present else [0] * 4
        assert [float(value) for value in row[5:]] == pytest.approx(expected, abs=1e-9)


def test_the_numbers_of_a_data_set_are_its_own_protocols(small: Any, tmp_path: Path) -> None:
    write_vot(tmp_path / 'data')
    root = tmp_path / 'data'
    report = run(tmp_path, small, data='vot_longterm', data_root=str(root))
    assert set(report.headline) == {f'vot_longterm/{name}' for name in ('f', 'precision', 'recall')}
    other = run(tmp_path, small, data='vot_longterm', data_root=str(root), protocol='vot_unsupervised')
    assert 0 <= other.headline['vot_unsupervised/accuracy'] <= 1


def test_another_protocol_on_the_same_results(small: Any, tmp_path: Path) -> None:
    root = tmp_path / 'data'
    write_own(root)
    report = run(tmp_path, small, data='folder', data_root=str(root), protocol='own@pytracking')
    (evaluation,) = evaluate('own@pytracking', [tmp_path / 'out'], root)
    found = {name.partition('/')[2]: value for name, value in report.metrics.items()}
    assert found == evaluation.scores.values


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(data='lasto'), "there is no data set 'lasto'.*lasot"),
        (dict(submission='x.zip'), '--data'),
        (dict(data='vot2020', submission='x.zip'), 'starts a tracker several times.*VOT toolkit'),
        (dict(data='coco', submission='x.zip'), 'is no benchmark'),
        (dict(data='lasot', submission='x.zip', sequences=['a']), 'leave out --sequences'),
        (dict(data='folder', data_root='{root}', sequences=['cub']), "no sequence 'cub'.*cup"),
        (dict(data='folder', data_root='{root}', protocol='mot'), 'judges other results.*--protocol none'),
        (dict(data='vot2018', data_root='{root}'), 'starts a tracker several times.*--protocol none'),
        (dict(data='folder', data_root='{root}', videos_per_batch=0), 'videos_per_batch must be at least 1'),
        (dict(data='folder', data_root='{root}', launcher='slurm'), 'SLURM_PROCID'),
    ],
)
def test_what_is_refused(
    options: dict[str, Any], message: str, small: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_own(tmp_path / 'data')
    if 'data_root' in options:
        options = {**options, 'data_root': str(tmp_path / 'data')}
    with pytest.raises(InputError, match=message) as refused:
        run(tmp_path, small, **options)
    assert '\n' not in str(refused.value)
    assert not list(tmp_path.rglob('out/*.csv'))


@pytest.mark.parametrize(
    'options, named',
    [
        (dict(overwrite=True), '--overwrite'),
        (dict(sequences=['a']), '--sequences'),
        (dict(videos_per_batch=2), '--videos-per-batch'),
        (dict(), '--out'),
    ],
)
@pytest.mark.parametrize('loop', [dict(type='mmgtrack.VideoFramesTestLoop'), dict(fp16=False)])
def test_options_that_the_loop_does_not_have_are_refused(
    loop: dict[str, Any], options: dict[str, Any], named: str, small: Any, tmp_path: Path
) -> None:
    config = tmp_path / 'config.py'
    config.write_text(f'{small[0].read_text()}\ntest_cfg = {loop}\n')
    out = {} if named == '--out' else {'out': None}
    expected = f'{named} needs mmgtrack.SequenceTestLoop, but the loop .* is {loop.get("type", "that of mm")}'
    with pytest.raises(InputError, match=expected):
        run(tmp_path, (config, small[1]), **out, **options)


def test_data_comes_with_its_own_loop(small: Any, tmp_path: Path) -> None:
    write_own(tmp_path / 'data')
    config = tmp_path / 'config.py'
    config.write_text(f'{small[0].read_text()}\ntest_cfg = dict(fp16=False)\n')
    report = run(tmp_path, (config, small[1]), data='folder', data_root=str(tmp_path / 'data'))
    assert (report.folder, report.total) == (tmp_path / 'out', 2)


def test_results_without_numbers(small: Any, tmp_path: Path) -> None:
    write_vot(tmp_path / 'data')
    root = str(tmp_path / 'data')
    report = run(tmp_path, small, data='vot2018', data_root=root, protocol='none', sequences=['bag'])
    assert (report.total, report.broken, dict(report.metrics)) == (1, (), {})
    assert (tmp_path / 'out/bag.csv').is_file()


def test_weights_are_needed_by_a_tracker_that_has_some(small: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match='has weights: give a CHECKPOINT'):
        run(tmp_path, (small[0], Path('none')))
