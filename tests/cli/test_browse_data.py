"""``mmgtrack browse-data``: from a config to a sheet, and what is said about mistakes."""

from pathlib import Path

import cv2
import pytest

from mmgtrack.cli.main import main
from mmgtrack.datasets import synthetic_clip, write_sequence

CONFIG = """
custom_imports = dict(imports=['mmgtrack'], allow_failed_imports=False)
load = [dict(type='mmgtrack.LoadFrame')]
train_dataloader = dict(
    dataset=dict(
        type='mmgtrack.ClipDataset',
        sources=[dict(type='mmgtrack.SequenceFolder', root='clips')],
        num_samples=9,
        sampler=dict(type='mmgtrack.ClipSampler', negative_prob=0.3),
        pipelines=dict(query=load, search=load)))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with three clips and configs."""
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        write_sequence(synthetic_clip(5, size=(60, 80), seed=seed), tmp_path / f'clips/clip{seed}')
    for name, text in {
        'good': CONFIG,
        'none': 'model = dict()',
        'off': 'train_dataloader = None',
        'moved': CONFIG.replace("root='clips'", "root='klips'"),
        'short': CONFIG.replace("ClipSampler', negative_prob=0.3", "CausalSampler'"),
        'typo': CONFIG.replace('mmgtrack.LoadFrame', 'mmgtrack.LoadFame'),
        'other': "train_dataloader = dict(dataset=dict(type='mmgtrack.SequenceFolder', root='clips'))",
    }.items():
        (tmp_path / f'{name}.py').write_text(text)
    return tmp_path


def test_the_sheet(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['browse-data', 'good.py', '--samples', '5', '--columns', '2', '--side', '40']) == 0
    assert capsys.readouterr().out == 'good_samples.png: 5 samples of query, search\n'
    first = cv2.imread('good_samples.png')
    assert first.shape == (3 * (32 + 30 + 8), 2 * (80 + 8), 3)
    assert main(['browse-data', 'good.py', 'sheet.jpg', '--samples', '1', '--first', '4']) == 0
    assert cv2.imread('sheet.jpg').shape == (32 + 60 + 8, 160 + 8, 3)


def test_broken_images_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in folder.glob('clips/*/img/000002.png'):
        file.write_bytes(b'nothing')
    assert main(['browse-data', 'good.py', '--samples', '9']) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1 and len(lines) == len(set(lines))
    for line in lines[1:]:
        assert line.startswith('passed over: cannot read the image clips/clip')
        assert line.endswith('img/000002.png: the file is damaged or no image')


@pytest.mark.parametrize(
    'words, message',
    [
        ('good.py --samples 0', '--samples must be at least 1, got 0'),
        ('good.py --columns 0', '--columns must be at least 1, got 0'),
        ('good.py --first -1', '--first must be at least 0, got -1'),
        ('good.py --side 3', '--side must be at least 32, got 3'),
        ('good.py sheet.txt', "sheet.txt: no image type '.txt' is known, expected a name like sheet.png"),
        ('good.py sheet', "sheet: no image type '' is known"),
        (
            'good.py tall.jpg --samples 700 --columns 1 --side 100',
            'tall.jpg: a sheet of ',
        ),
        ('good.py none/sheet.png', 'cannot write none/sheet.png: there is no folder'),
        ('nowhere.py', 'no config file nowhere.py'),
        ('none.py', 'the config none.py has no train_dataloader'),
        ('off.py', 'the config off.py has no train_dataloader'),
        ('moved.py', 'klips is no folder: did you mean clips?'),
        ('typo.py', 'the config typo.py builds no training data: KeyError'),
        ('other.py', 'other.py trains on a SequenceFolder, expected a mmgtrack.ClipDataset'),
        (
            'short.py',
            'no usable sample 0 in 100 draws from SequenceFolder clips: 100x clip shorter than min_length=20',
        ),
    ],
)
def test_mistakes_are_said_in_one_line(
    words: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.iterdir())
    assert main(['browse-data', *words.split()]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f'mmgtrack: error: {message}')
    assert sorted(folder.iterdir()) == before
