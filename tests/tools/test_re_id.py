"""tools/analysis/re_id.py: which boxes are compared, and both kinds of embeddings."""

import json
import re
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch.nn import functional

from mmgtrack import Tracker
from mmgtrack.datasets import SequenceFolder, synthetic_clip, write_sequence
from mmgtrack.datasets.sequence import read_frame
from mmgtrack.models import TruncatedMobileNetV2
from mmgtrack.zoo import DEFAULT
from tests.trackers import CONFIGS

TOOL = str(Path(__file__).parents[2] / 'tools/analysis/re_id.py')

pytestmark = pytest.mark.filterwarnings('ignore:.*RANDOM')


@pytest.fixture(scope='module')
def sequences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with two targets, one of which hides, one with a target, and one whose target is never there."""
    root = tmp_path_factory.mktemp('sequences')
    write_sequence(synthetic_clip(9, num_targets=2, absences={1: (0, 3)}), root / 'two')
    write_sequence(synthetic_clip(5, seed=1), root / 'one')
    write_sequence(synthetic_clip(3, seed=2, absences={0: (0, 3)}), root / 'none')
    return root


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of MobileNetV2 under torchvision's names, as the ImageNet file has them: half, npz."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp('weights') / 'features.npz'
    state = TruncatedMobileNetV2(out_indices=(7,)).state_dict()
    np.savez(file, **{name: value.numpy() for name, value in state.items()})
    return file


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The light DMTrack at a quarter of its backbone's width."""
    small = Config.fromfile(CONFIGS / 'dmtrack_mobilenetv2_lite.py')
    small.merge_from_dict(
        {
            'model.data_preprocessor.resize': (128, 96),
            'model.backbone.widen_factor': 0.25,
            'model.neck.in_channels': [8, 24],
            'model.re_id_head.in_channels': [8, 24],
        }
    )
    file = tmp_path_factory.mktemp('config') / 'small_dmtrack.py'
    small.dump(file)
    return file


def run_tool(monkeypatch: pytest.MonkeyPatch, *words: object) -> None:
    monkeypatch.setattr(sys, 'argv', [TOOL, *map(str, words)])
    runpy.run_path(TOOL, run_name='__main__')


def test_frames_are_spread_over_those_that_show_the_target(sequences: Path) -> None:
    tool = runpy.run_path(TOOL, run_name='re_id')
    shown, names = tool['shown_boxes'](SequenceFolder(str(sequences)), 4)
    assert names == ['none', 'one', 'two#1', 'two#2']
    found = [(Path(s.path).parts[-3], int(Path(s.path).stem) - 1, s.objects.tolist()) for s in shown]
    # two#1 in frames 0, 3, 5, 8 of 9 (2.67 and 5.33 rounded), two#2 in 3, 5, 6, 8 of 3 to 8
    assert found == [
        *(('one', frame, [1]) for frame in (0, 1, 3, 4)),
        ('two', 0, [2]),
        ('two', 3, [2, 3]),
        ('two', 5, [2, 3]),
        ('two', 6, [3]),
        ('two', 8, [2, 3]),
    ]
    for each in shown:
        assert each.boxes.shape == (len(each.objects), 4) and np.isfinite(each.boxes).all()


def by_hand(embeddings: list[np.ndarray], objects: list[int], frames: list[int]) -> float:
    """Rank-1."""
    units = functional.normalize(torch.from_numpy(np.stack(embeddings)).double(), dim=1).numpy()
    hits = []
    for query in range(len(units)):
        others = [n for n in range(len(units)) if frames[n] != frames[query]]
        nearest = max(others, key=lambda n: float(units[n] @ units[query]))
        hits.append(objects[nearest] == objects[query])
    return float(np.mean(hits))


def test_both_kinds_of_embeddings(
    sequences: Path,
    weights: Path,
    config: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    out = tmp_path / 're_id.json'
    torch.manual_seed(0)
    run_tool(monkeypatch, config, '--sequences', sequences, '--imagenet', weights, '--json', out)
    report = json.loads(out.read_text())
    shown = capsys.readouterr().out
    assert set(report) == {str(config), 'ImageNet, pooled crops'} and '4 objects' in shown

    tool = runpy.run_path(TOOL, run_name='re_id')
    boxes, _ = tool['shown_boxes'](SequenceFolder(str(sequences)), 4)
    torch.manual_seed(0)
    tracker, network = Tracker(str(config)), TruncatedMobileNetV2(out_indices=(7,))
    network.load_state_dict({name: torch.from_numpy(value) for name, value in np.load(weights).items()})
    network.eval()
    templates, pooled, objects, frames = [], [], [], []
    for number, each in enumerate(boxes):
        image = read_frame(each.path)
        for box, target in zip(each.boxes, each.objects.tolist(), strict=True):  # each alone
            templates.append(tracker.encode(image, box[None]).templates[0].numpy())
            x1, y1, x2, y2 = box.round().astype(int)
            crop = cv2.resize(image[y1:y2, x1:x2], (160, 160))[..., ::-1] / 255.0
            crop = (crop - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
            with torch.no_grad():
                (last,) = network(torch.from_numpy(crop.transpose(2, 0, 1)[None]).float())
            pooled.append(last[0].mean((1, 2)).numpy())
            objects.append(target)
            frames.append(number)
    for what, embeddings in ((str(config), templates), ('ImageNet, pooled crops', pooled)):
        part = report[what]
        assert part['rank_1'] == pytest.approx(by_hand(embeddings, objects, frames))
        assert part['queries'] == 12 and part['objects']['none'] == {'rank_1': None, 'mean_ap': None}
        each = [part['objects'][name] for name in ('one', 'two#1', 'two#2')]
        for name in ('rank_1', 'mean_ap'):  # four queries of each
            assert part[name] == pytest.approx(np.mean([values[name] for values in each]))
        assert f'{100 * part["rank_1"]:.1f}' in shown and f'{100 * part["mean_ap"]:.1f}' in shown


@pytest.mark.parametrize(
    'box', [[-5, -5, 20, 10], [30, 20, 70, 60], [39.6, 29.7, 39.9, 29.9], [8, 8, 8.2, 8.3]]
)
def test_a_crop_holds_at_least_a_pixel(box: list[float]) -> None:
    tool = runpy.run_path(TOOL, run_name='re_id')
    crop = tool['_crop'](np.zeros((30, 40, 3), np.uint8), np.array(box))
    assert min(crop.shape) >= 1


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--sequences', '{root}'], 'nothing to measure: give a model, --imagenet FILE, or both'),
        (
            ['--sequences', '{root}', '--imagenet', '{weights}', '--frames', '1'],
            '--frames must be at least 2',
        ),
        (['--sequences', '{root}', '--imagenet', '{root}/none.npz'], 'no checkpoint file'),
        (['--sequences', '{root}', '--imagenet', '{other}'], 'does not hold the features of a MobileNetV2'),
        (
            ['--sequences', '{root}', '--imagenet', '{weights}', '--exclude', 'one', 'two'],
            'no frame shows a target',
        ),
        (['--sequences', '{root}/none/img', '--imagenet', '{weights}'], 'holds no sequence'),
        (['--sequences', '{root}', '--imagenet', '{weights}', '--json', '{root}/no/x.json'], 'cannot write'),
        ([DEFAULT, '--sequences', '{root}'], 'has no re-id head'),
    ],
)
def test_mistakes_end_with_one_line(
    sequences: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    words: list[str],
    message: str,
) -> None:
    other = tmp_path / 'other.npz'
    np.savez(other, features=np.zeros(3))
    with pytest.raises(SystemExit) as caught:
        run_tool(monkeypatch, *(w.format(root=sequences, weights=weights, other=other) for w in words))
    assert caught.value.code == 2
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith('error: ')]
    assert re.search(message, line)
