"""tools/analysis/size_histogram.py from end to end on small sequences."""

import json
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmgtrack.datasets import synthetic_clip, write_sequence
from tests.tools.small_points import stills

TOOL = Path(__file__).parents[2] / 'tools/analysis/size_histogram.py'
SIDES, FRAME = (24, 20), (96, 128)  # of the targets and of the frames, height and width
SIZE = float(np.sqrt(24 * 20))
CONFIG = """
resize = dict(type='mmgtrack.RandomTargetSize', scale=(96, 72))
train_dataloader = dict(dataset=dict(
    type='mmgtrack.ClipDataset',
    sources=[dict(type='mmgtrack.SequenceFolder', root='data')],
    num_samples=10,
    pipelines=dict(
        query=[dict(type='mmgtrack.LoadFrame'), dict(resize, min_size=30)],
        search=[dict(type='mmgtrack.LoadFrame'), resize]),
    min_box_side=0.5,
))
test_dataloader = dict(dataset=dict(type='mmgtrack.SequenceFolder', root='data'))
"""


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three sequences of 6 frames, in two of which the target is absent, and a config that trains on them."""
    for number in range(3):
        clip = synthetic_clip(6, FRAME, target_size=SIDES, absences={0: (4, 6)}, seed=number)
        write_sequence(clip, tmp_path / 'data' / f'clip{number}')
    (tmp_path / 'train.py').write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, 'argv', ['size_histogram.py', *map(str, words)])
    runpy.run_path(str(TOOL), run_name='__main__')


@pytest.mark.parametrize(
    ('words', 'size'),
    [
        (['--data', 'folder=data'], SIZE),
        (['--data', 'train.py'], SIZE),
        (['--data', 'folder=data', '--resize', '64,48'], SIZE / 2),
        (['--stored', 'train.py', '--roles', 'query', '--samples', 12, '--resize', '256,256'], 2 * SIZE),
    ],
)
def test_stored_sizes_are_those_of_the_boxes(
    words: list[object], size: float, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, *words, '--json', 'sizes.json')
    (report,) = json.loads((tree / 'sizes.json').read_text())
    assert report['targets'] == 12  # 3 sequences of 4 frames with their target, or 12 samples
    assert report['quartiles'] == pytest.approx([size] * 3)
    assert report['relative_quartiles'] == pytest.approx([SIZE / np.sqrt(96 * 128)] * 3)
    assert report['coco'] == {'small': float(size < 32), 'medium': float(size >= 32), 'large': 0}
    assert report['relative'] == {'tiny': 0, 'small': 0, 'medium': 0, 'large': 1}


def test_drawn_sizes_end_in_picture_and_tables(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ['--plot', 'sizes.png', '--table', 'sizes.md', '--json', 'sizes.json']
    run(monkeypatch, '--drawn', 'train.py', '--data', 'folder=data', '--samples', 60, *files)
    data, query, search = json.loads((tree / 'sizes.json').read_text())
    assert [r['name'] for r in (data, query, search)] == ['folder=data', 'train, query', 'train, search']
    # log-uniform from 30 or 4 up to half of 96x72
    for report, low in ((query, 30), (search, 4)):
        middle = np.sqrt(low * np.sqrt(96 * 72 / 2))
        assert report['quartiles'][1] == pytest.approx(middle, rel=0.4)
        for name in ('coco', 'relative', 'pixels'):
            assert sum(report[name].values()) == pytest.approx(1)
    assert query['pixels']['4-8'] == 0 < search['pixels']['4-8']
    tables = (tree / 'sizes.md').read_text().split('\n\n')
    assert [len(table.splitlines()) for table in tables] == [5, 5]
    assert f'| {100 * search["pixels"]["4-8"]:.1f} |' in tables[1]
    assert 'train, search' in capsys.readouterr().out
    assert cv2.imread(str(tree / 'sizes.png')).shape[1] > 1000


def test_sources_of_a_config_are_told_apart(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stills(tree / 'images')
    still = "sources=[dict(type='mmgtrack.CocoImages', root='images'), dict(type='mmgtrack.Seq"
    (tree / 'both.py').write_text(CONFIG.replace("sources=[dict(type='mmgtrack.Seq", still))
    words = ['--stored', 'both.py', '--roles', 'search', '--samples', 30, '--by-source']
    run(monkeypatch, *words, '--data', 'images', 'data', '--json', 'sizes.json')
    images, data, *drawn = json.loads((tree / 'sizes.json').read_text())
    # all boxes of a folder of stills, and of one of sequences
    assert (images['targets'], data['targets']) == (8, 12)
    assert [each['name'] for each in drawn] == [
        'both, stored, CocoImages images, search',
        'both, stored, SequenceFolder data, search',
    ]
    for each, own in zip(drawn, (images, data), strict=True):
        assert each['quartiles'] == pytest.approx(own['quartiles'], rel=0.1) and each['targets'] > 4
    # both objects of a still
    assert drawn[0]['targets'] / 2 + drawn[1]['targets'] == 30


def test_names_and_vector_pictures(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(
        monkeypatch,
        '--data',
        'folder=data',
        'train.py',
        '--names',
        'a',
        'b',
        '--plot',
        'p.svg',
        '--json',
        'o',
    )
    assert [report['name'] for report in json.loads((tree / 'o').read_text())] == ['a', 'b']
    assert (tree / 'p.svg').read_bytes().startswith(b'<?xml')


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ([], 'nothing to count'),
        (['--data', 'laso'], "no data set 'laso'"),
        (['--data', 'folder=nowhere'], 'nowhere'),
        (['--data', 'nowhere.py'], 'no config file nowhere.py'),
        (['--drawn', 'nowhere.py'], 'no config file nowhere.py'),
        (['--drawn', 'train.py', '--samples', '0'], '--samples must be at least 1'),
        (['--drawn', 'train.py', '--roles', 'target'], "has the roles query, search, got 'target'"),
        (['--data', 'folder=data', '--resize', '3'], 'expects LONG,SHORT'),
        (['--data', 'folder=data', '--resize', '3,5'], 'expects LONG,SHORT'),
        (['--data', 'folder=data', '--names', 'a', 'b'], '--names needs 1 names, for folder=data (1); got 2'),
        (['--drawn', 'train.py', '--by-source', '--names', 'a'], '--names cannot be given with --by-source'),
        (['--data', 'folder=data', '--plot', 'sizes.jpg'], 'a picture ends in'),
        (['--data', 'folder=data', '--table', 'nowhere/sizes.md'], 'nowhere'),
        (['--data', 'folder=absent'], 'folder=absent shows no target'),
    ],
)
def test_mistakes_end_in_one_line(
    words: list[str],
    message: str,
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip = synthetic_clip(2, FRAME, absences={0: (0, 2)})
    write_sequence(clip, tree / 'absent' / 'clip')
    before = sorted(tree.iterdir())
    with pytest.raises(SystemExit) as exit_info:
        run(monkeypatch, *words, *(['--json', 'out.json'] if words else []))
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert sorted(tree.iterdir()) == before
