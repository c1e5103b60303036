"""Result files are the same for one process, two, and a run that was killed; other runs are refused."""

import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmgtrack.apis.testing import TestOptions, run_test
from mmgtrack.datasets.synthetic import synthetic_clip, write_sequence
from mmgtrack.engine.result_folder import ResultFolder
from mmgtrack.errors import OutputError
from mmgtrack.evaluation.evaluate import evaluate
from mmgtrack.formats.track_csv import parse_track_csv
from tests.engine.small_tests import KINDS, LENGTHS, ROOT, contents, started, write_small, write_videos

SCRIPT = ROOT / 'tools' / 'dist_test.sh'


@pytest.fixture(scope='module')
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_videos(tmp_path_factory.mktemp('videos'))


@pytest.fixture(scope='module')
def small(videos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Config and checkpoint by kind of tracker."""
    folder = tmp_path_factory.mktemp('small')
    return {kind: write_small(folder, kind, videos) for kind in KINDS}


def test_in(
    folder: Path, config: Path, checkpoint: Path, overrides: dict[str, Any] | None = None, **options: Any
) -> Any:
    """Run in this process; results are in ``folder/out``."""
    chosen = dict(work_dir=str(folder / 'work'), out=str(folder / 'out'), device='cpu') | options
    names = {'experiment_name': f'{folder}{time.monotonic_ns()}'}  # mmengine wants one for each Runner
    return run_test(str(config), str(checkpoint), TestOptions(**chosen), {**names, **(overrides or {})})


test_in.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture(scope='module')
def whole(
    small: dict[str, tuple[Path, Path]], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, int], Any]:
    """An unbroken run in one process, by kind and videos per batch: folder and report."""
    runs = {}
    for kind, videos_per_batch in [*((kind, 1) for kind in KINDS), ('stark', 2)]:
        folder = tmp_path_factory.mktemp('whole')
        report = test_in(folder, *small[kind], videos_per_batch=videos_per_batch)
        runs[kind, videos_per_batch] = folder / 'out', report
    return runs


def test_every_frame_has_a_row_and_the_first_is_the_given_box(whole: Any, videos: Path) -> None:
    folder, report = whole['global_track', 1]
    assert (report.total, report.broken) == (5, ())
    for name, length in LENGTHS.items():
        rows = parse_track_csv((folder / f'{name}.csv').read_text(), name)
        given = np.loadtxt(videos / name / 'groundtruth.txt', delimiter=',')[0]
        assert len(rows.boxes) == length and rows.first == 0
        assert rows.boxes[0] == pytest.approx(given, abs=1e-4)
        times = np.loadtxt(folder / f'{name}_time.txt')
        assert times.shape == (length,) and (times > 0).all()


@pytest.mark.parametrize('kind', KINDS)
def test_the_numbers_are_those_of_evaluate(kind: str, whole: Any, videos: Path) -> None:
    folder, report = whole[kind, 1]
    (evaluation,) = evaluate('own', [folder], videos)
    found = {name.partition('/')[2]: v for name, v in report.metrics.items() if name.startswith('own/')}
    assert found == evaluation.scores.values


def test_two_processes_write_what_one_does(whole: Any, small: Any, tmp_path: Path) -> None:
    words = [*small['global_track'], 2, '--device', 'cpu', '--out', 'out']
    run = started('bash', SCRIPT, *words, cwd=tmp_path)
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    folder, report = whole['global_track', 1]
    assert contents(tmp_path / 'out') == contents(folder)
    shown = f'own/success {100 * report.metrics["own/success"]:.2f}'.split()
    assert shown in [line.split() for line in said.splitlines()]


def kill_when(run: Any, folder: Path, count: int) -> None:
    """Kill all its processes as soon as there are that many results, and not all of them."""
    while run.poll() is None and len(list(folder.glob('*.csv'))) < count:
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert count <= len(list(folder.glob('*.csv'))) < len(LENGTHS)


def test_killed_three_times_and_continued_it_writes_what_the_unbroken_run_does(tmp_path: Path) -> None:
    videos = write_videos(tmp_path / 'videos', {name: 30 * length for name, length in LENGTHS.items()})
    config, checkpoint = write_small(tmp_path, 'stark', videos)
    test_in(tmp_path / 'whole', config, checkpoint, videos_per_batch=2)
    words = [sys.executable, ROOT / 'tools/test.py', config, checkpoint, '--out', 'out', '--device', 'cpu']
    words += ['--videos-per-batch', '2']
    for count in (1, 2, 4):
        kill_when(started(*words, cwd=tmp_path), tmp_path / 'out', count)
        (tmp_path / 'out' / 'a.csv.part').touch()
    run = started('bash', SCRIPT, config, checkpoint, 2, *words[4:], cwd=tmp_path)
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 0, said
    assert contents(tmp_path / 'out') == contents(tmp_path / 'whole/out')
    assert not list((tmp_path / 'out').glob('*.part'))


def test_two_processes_refuse_in_one_line(whole: Any, small: Any, tmp_path: Path) -> None:
    shutil.copytree(whole['stark', 1][0], tmp_path / 'out')
    words = [*small['stark'], 2, '--device', 'cpu', '--out', 'out', '--videos-per-batch', 3]
    run = started('bash', SCRIPT, *words, cwd=tmp_path)
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 2
    assert len([line for line in said.splitlines() if line.startswith('error: out holds results')]) == 1
    assert 'Traceback' not in said


def test_a_complete_run_tracks_nothing_again(whole: Any, small: Any, tmp_path: Path) -> None:
    folder, report = whole['stark', 1]
    shutil.copytree(folder, tmp_path / 'out')
    times = {path.name: path.stat().st_mtime_ns for path in (tmp_path / 'out').glob('*.csv')}
    again = test_in(tmp_path, *small['stark'])
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / 'out').glob('*.csv')} == times
    assert again.metrics == report.metrics


def test_a_group_with_a_result_missing_is_tracked_again_as_a_whole(
    whole: Any, small: Any, tmp_path: Path
) -> None:
    folder, _ = whole['stark', 2]
    shutil.copytree(folder, tmp_path / 'out')
    (tmp_path / 'out/e.csv').unlink()  # of the group of the two longest, b and e
    before = (tmp_path / 'out/b.csv').stat().st_mtime_ns
    test_in(tmp_path, *small['stark'], videos_per_batch=2)
    assert contents(tmp_path / 'out') == contents(folder)
    assert (tmp_path / 'out/b.csv').stat().st_mtime_ns > before


def test_what_makes_other_results_is_refused(whole: Any, small: Any, tmp_path: Path) -> None:
    folder, _ = whole['stark', 1]
    shutil.copytree(folder, tmp_path / 'out')
    config, checkpoint = small['stark']
    other = torch.load(checkpoint)
    next(iter(other['state_dict'].values())).mul_(1.01)
    torch.save(other, tmp_path / 'other.pth')
    before = contents(tmp_path / 'out')
    cases: list[tuple[str, dict[str, Any]]] = [
        (r'weights \(', dict(checkpoint=tmp_path / 'other.pth')),
        (r'model\.search\.factor \(5', dict(overrides={'model.search.factor': 4})),
        (r'videos_per_batch \(1, now 2\)', dict(videos_per_batch=2)),
        (r'precision \(float32, now bfloat16\)', dict(precision='bfloat16')),
        (r'data\.sequences \(5, now 2\)', dict(sequences=['a', 'b'])),
    ]
    for message, changes in cases:
        arguments: dict[str, Any] = dict(config=config, checkpoint=checkpoint) | changes
        with pytest.raises(OutputError, match=rf'made otherwise: .*{message}.*--out.*--overwrite') as refused:
            test_in(tmp_path, **arguments)
        assert '\n' not in str(refused.value)
    assert contents(tmp_path / 'out') == before


def test_other_code_is_refused(whole: Any, small: Any, tmp_path: Path) -> None:
    shutil.copytree(whole['stark', 1][0], tmp_path / 'out')
    manifest = json.loads((tmp_path / 'out/manifest.json').read_text())
    manifest['code']['sources'] = '0' * 64
    (tmp_path / 'out/manifest.json').write_text(json.dumps(manifest))
    with pytest.raises(OutputError, match=r'made otherwise: code\.sources \(000000000000\.\.\., now'):
        test_in(tmp_path, *small['stark'])


def test_edited_code_beside_the_config_is_refused(small: Any, tmp_path: Path) -> None:
    config, checkpoint = small['stark']
    (tmp_path / 'own_parts_of_a_test').mkdir()
    plain = tmp_path / 'own_imports_of_a_test.py'
    inner = tmp_path / 'own_parts_of_a_test/inner.py'
    for file in (plain, inner, inner.with_name('__init__.py')):
        file.write_text('SCALE = 1\n')
    own = tmp_path / 'config.py'
    imports = ['mmgtrack', plain.stem, inner.parent.name]
    own.write_text(f'{config.read_text()}\ncustom_imports = dict(imports={imports})\n')
    test_in(tmp_path, own, checkpoint, sequences=['d'])
    for file in (plain, inner):
        before = file.read_text()
        file.write_text('SCALE = 2\n')
        with pytest.raises(OutputError, match=r'made otherwise: code\.sources'):
            test_in(tmp_path, own, checkpoint, sequences=['d'])
        file.write_text(before)
    test_in(tmp_path, own, checkpoint, sequences=['d'])


def test_results_of_other_data_are_refused(whole: Any, small: Any, tmp_path: Path) -> None:
    """Elsewhere and called the same: the first box tells."""
    shutil.copytree(whole['stark', 1][0], tmp_path / 'out')
    other = write_videos(tmp_path / 'videos', {name: LENGTHS[name] for name in 'bacde'})
    with pytest.raises(OutputError, match=r'\.csv was made from other data'):
        test_in(tmp_path, *small['stark'], {'test_dataloader.dataset.root': str(other)})


def test_overwrite_removes_results_and_nothing_else(whole: Any, small: Any, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    shutil.copytree(whole['stark', 1][0], out)
    shutil.copytree(out, out / 'nested')
    shutil.copy(out / 'a.csv', out / 'mine.csv')  # as `mmgtrack track` writes it
    for name in ('notes.csv', 'movie.mkv.part', 'nested/b.csv.part', 'b.csv.part', 'b_time.txt.part'):
        (out / name).write_text('mine\n')
    nested = {path: path.read_bytes() for path in (out / 'nested').iterdir()}
    test_in(tmp_path, *small['stark'], sequences=['a', 'd'], overwrite=True)
    files = ['a.csv', 'a_time.txt', 'd.csv', 'd_time.txt']
    files += ['.lock', 'manifest.json', 'mine.csv', 'movie.mkv.part', 'notes.csv']
    assert sorted(path.name for path in out.iterdir() if path.is_file()) == sorted(files)
    assert {path: path.read_bytes() for path in (out / 'nested').iterdir()} == nested


def test_a_first_run_leaves_what_is_there_alone(small: Any, tmp_path: Path) -> None:
    (tmp_path / 'out').mkdir()
    foreign = ('movie.mkv.part', 'b.csv.part', 'z.csv')
    for name in foreign:
        (tmp_path / 'out' / name).write_text('mine\n')
    test_in(tmp_path, *small['stark'], sequences=['a'])
    assert [(tmp_path / 'out' / name).read_text() for name in foreign] == ['mine\n'] * 3
    (tmp_path / 'out/manifest.json').unlink()
    with pytest.raises(OutputError, match=r'holds results without a manifest\.json'):
        test_in(tmp_path, *small['stark'], sequences=['a'], overwrite=True)


@pytest.mark.parametrize('times', [None, '', '0.1\n', '0.1\nx\n'])
def test_lost_or_damaged_times_are_made_again(
    times: str | None, whole: Any, small: Any, tmp_path: Path
) -> None:
    folder, report = whole['stark', 1]
    shutil.copytree(folder, tmp_path / 'out')
    file = tmp_path / 'out/a_time.txt'
    file.unlink()
    if times is not None:
        file.write_text(times)
    kept = (tmp_path / 'out/b.csv').stat().st_mtime_ns
    assert test_in(tmp_path, *small['stark']).metrics == report.metrics
    assert np.loadtxt(file).shape == (LENGTHS['a'],)
    assert (tmp_path / 'out/b.csv').stat().st_mtime_ns == kept


def test_a_folder_in_use_is_refused(small: Any, tmp_path: Path) -> None:
    with (
        ResultFolder(tmp_path / 'out').opened({}),
        pytest.raises(OutputError, match='another process is writing into'),
    ):
        test_in(tmp_path, *small['stark'])


@pytest.mark.parametrize('videos_per_batch', [1, 2])
def test_broken_sequences_are_listed_and_the_others_go_on(
    videos_per_batch: int, small: Any, tmp_path: Path
) -> None:
    broken = write_videos(tmp_path / 'videos')
    truncated = sorted((broken / 'c/img').iterdir())[6]
    truncated.write_bytes(truncated.read_bytes()[:300])
    rows = (broken / 'a/groundtruth.txt').read_text().splitlines()
    (broken / 'a/groundtruth.txt').write_text('\n'.join(['nan,nan,nan,nan', *rows[1:]]))
    (broken / 'd/groundtruth.txt').write_text('1,2,three,4\n')
    root = {
        'test_dataloader.dataset.root': str(broken),
        'test_evaluator.0.annotations': str(broken),
    }
    options: dict[str, Any] = dict(overrides=root, videos_per_batch=videos_per_batch)
    report = test_in(tmp_path, *small['stark'], **options)
    reasons = {each.name: each.reason for each in report.broken}
    assert sorted(reasons) == ['a', 'c', 'd']
    assert 'the first frame of a has no box' in reasons['a']
    assert str(truncated) in reasons['c'] and 'groundtruth.txt, line 1' in reasons['d']
    assert json.loads((tmp_path / 'out/failed.json').read_text()) == reasons
    assert report.metrics['sequences/broken'] == 3
    assert sorted(contents(tmp_path / 'out')) == ['b.csv', 'e.csv']
    again = test_in(tmp_path / 'again', *small['stark'], **options)
    assert contents(tmp_path / 'again/out') == contents(tmp_path / 'out')
    assert again.metrics == report.metrics
    # mended, the same run goes on
    shutil.copytree(write_videos(tmp_path / 'good'), broken, dirs_exist_ok=True)
    mended = test_in(tmp_path, *small['stark'], **options)
    assert mended.broken == () and not (tmp_path / 'out/failed.json').exists()
    assert sorted(contents(tmp_path / 'out')) == [f'{name}.csv' for name in LENGTHS]


def test_a_sequence_that_breaks_loses_its_result(small: Any, tmp_path: Path) -> None:
    videos = write_videos(tmp_path / 'videos', {'a': 4, 'b': 4})
    root = {'test_dataloader.dataset.root': str(videos), 'test_evaluator.0.annotations': str(videos)}
    test_in(tmp_path, *small['stark'], root)
    (videos / 'a/groundtruth.txt').write_text('1,2,three,4\n')
    assert [each.name for each in test_in(tmp_path, *small['stark'], root).broken] == ['a']
    assert list(json.loads((tmp_path / 'out/failed.json').read_text())) == ['a']
    assert sorted(path.name for path in (tmp_path / 'out').glob('[ab]*')) == ['b.csv', 'b_time.txt']


def test_several_targets_have_a_file_each(small: Any, tmp_path: Path) -> None:
    pair = synthetic_clip(num_frames=5, size=(64, 96), num_targets=2, seed=3)
    write_sequence(pair, tmp_path / 'videos/pair')
    late = synthetic_clip(num_frames=5, size=(64, 96), num_targets=2, absences={0: (0, 2)}, seed=4)
    write_sequence(late, tmp_path / 'videos/late')
    root = {'test_dataloader.dataset.root': str(tmp_path / 'videos')}
    root['test_evaluator'] = [dict(type='mmgtrack.SuccessMetric')]
    report = test_in(tmp_path, *small['stark'], root)
    files = contents(tmp_path / 'out')
    assert sorted(files) == ['late#2.csv', 'pair#1.csv', 'pair#2.csv']
    assert set(report.metrics) == {'success/auc', *(f'success/{name.removesuffix(".csv")}' for name in files)}
    again = test_in(tmp_path, *small['stark'], root)
    assert again.metrics == report.metrics
