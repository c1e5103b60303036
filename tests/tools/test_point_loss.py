"""tools/analysis/point_loss.py: a row for each number of boxes and points, and their shares of a step."""

import json
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / 'tools/analysis/point_loss.py'
SMALL = ['--images', '2', '--size', '64x64', '--repeats', '2']


def run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(TOOL), *options], capture_output=True, text=True, check=False)


def test_shares_are_those_of_the_medians(tmp_path: Path) -> None:
    done = run(*SMALL, '--boxes', '1', '3', '--points', '4', '--json', str(tmp_path / 'cost.json'))
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / 'cost.json').read_text())
    assert 'the loss without a dead zone' in done.stdout  # the config's
    rows = [line.split() for line in done.stdout.splitlines() if line.split()[0].isdigit()]
    assert [row[:2] for row in rows] == [['1', '4'], ['3', '4']]
    for row, spread in zip(rows, report['loss_ms'].values(), strict=True):
        assert 0 < spread['low'] <= spread['median'] <= spread['high']
        assert row[-1] == f'{100 * spread["median"] / report["step_ms"]["median"]:.2f}'


def test_points_are_also_those_of_the_config() -> None:
    done = run(*SMALL, '--boxes', '2', '--dead-zone')
    assert done.returncode == 0, done.stderr
    assert 'the loss with a dead zone' in done.stdout
    rows = [line.split() for line in done.stdout.splitlines() if line.split()[0].isdigit()]
    assert [row[:2] for row in rows] == [['2', '1'], ['2', '4'], ['2', '16'], ['2', '256']]


def test_what_cannot_be_measured_is_refused() -> None:
    done = run('--size', '640')
    assert (done.returncode, done.stderr) == (2, 'error: --size must be WIDTHxHEIGHT in pixels, got 640\n')
    done = run('mmgtrack::globaltrack_mobilenetv2_lite.py')
    assert done.returncode == 2 and done.stderr.startswith('error: expected the config of a PointTrack whose')
