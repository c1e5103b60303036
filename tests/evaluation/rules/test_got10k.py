"""GOT-10k by hand: what counts, how boxes are clipped, what is pooled."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.neuron import got10k_frames, score_got10k
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.got10k import Got10kPart, Got10kResult, Got10kRule, NeuronGot10kRule

RULE, NEURON = Got10kRule(), NeuronGot10kRule()
NAN = float('nan')
BOX = [20.0, 20.0, 10.0, 10.0]
HALF = [20.0, 20.0, 10.0, 5.0]  # IoU 0.5 exactly
FAR = [60.0, 20.0, 10.0, 10.0]


def part_of(
    truth: list,
    *repetitions: list,
    rule: Got10kRule = RULE,
    cover: list | None = None,
    times: list | None = None,
) -> Got10kPart:
    covers = np.array(cover if cover is not None else [8] * len(truth), float)
    boxes = [np.array(rows, float).reshape(-1, 4) for rows in repetitions]
    result = Got10kResult(boxes, None if times is None else np.array(times, float))
    return rule.measure(BoxTruth('seq', np.array(truth, float), cover=covers, image_size=(100, 80)), result)


@pytest.mark.parametrize('rule', [RULE, NEURON])
@pytest.mark.parametrize(
    ('rows', 'cover', 'overlaps'),
    [
        ([FAR, BOX, BOX], [8, 8, 8], [1, 1]),  # row 0 does not count
        ([BOX, BOX, FAR], [8, 8, 0], [1]),  # nor does a hidden target
        ([BOX, HALF, FAR], [8, 1, 8], [0.5, 0]),
        ([BOX, HALF, FAR], [8, 0, 0], []),
    ],
)
def test_frames_that_count(rule: Got10kRule, rows: list, cover: list, overlaps: list) -> None:
    part = part_of([BOX] * 3, rows, rule=rule, cover=cover)
    np.testing.assert_allclose(part.overlaps, overlaps)
    assert part.length == 2
    success = part.scores.values
    if overlaps:
        assert success['ao'] == pytest.approx(np.mean(overlaps))
        assert success['sr_0.5'] == np.mean([value > 0.5 for value in overlaps])  # 0.5 does not exceed 0.5
    else:
        assert np.isnan([success['ao'], success['sr_0.5'], success['sr_0.75']]).all()


@pytest.mark.parametrize(
    ('truth', 'found', 'toolkit', 'neuron'),
    [
        # the toolkit moves a box from x = -5 to x = 0 with all of its width, neuron cuts it
        ([0, 20, 10, 10], [-5, 20, 10, 10], 1.0, 50 / 100),
        # at the right, both cut: 100 - 95 = 5 pixels are left, in neuron 95 ... 99
        ([90, 20, 10, 10], [95, 20, 10, 10], 0.5, 0.5),
        # outside: nothing is left of it, or with inclusive corners a column
        ([90, 20, 10, 10], [150, 20, 10, 10], 0.0, 0.1),
        ([20, 0, 10, 10], [20, -4, 10, 8], 0.8, 0.4),
    ],
)
def test_clipping(truth: list, found: list, toolkit: float, neuron: float) -> None:
    for rule, expected in ((RULE, toolkit), (NEURON, neuron)):
        overlaps = part_of([BOX, truth], [BOX, found], rule=rule).overlaps
        np.testing.assert_allclose(overlaps, [expected], atol=1e-12)


def test_frames_are_pooled() -> None:
    short = part_of([BOX] * 2, [BOX, FAR])
    long = part_of([BOX] * 4, [BOX] * 4, [BOX, BOX, HALF, HALF])
    total = RULE.total([short, long])
    assert total.values['ao'] == pytest.approx((0 + 3 + 1 + 0.5 + 0.5) / 7)
    assert total.values['sr_0.5'] == total.values['sr_0.75'] == pytest.approx(4 / 7)
    assert total.curves['success'].shape == (101,) and total.curves['success'][-1] == 0
    np.testing.assert_allclose(RULE.total([short, long, long]).values['ao'], 10 / 13)


def test_speed_is_the_mean_of_inverse_times() -> None:
    timed = part_of([BOX] * 3, [BOX] * 3, times=[[0.1], [0.0], [NAN]])
    other = part_of([BOX] * 3, [BOX] * 3, times=[[0.5, 0.5]] * 3)
    without = part_of([BOX] * 3, [BOX] * 3)
    assert timed.scores.values['fps'] == pytest.approx(10)
    assert np.isnan(without.scores.values['fps'])
    assert RULE.total([timed, other, without]).values['fps'] == pytest.approx((10 + 6 * 2) / 7)


def test_neuron_is_the_package_s_own_rule() -> None:
    rng = np.random.default_rng(0)
    truth, found = (rng.uniform(-20, 90, (30, 4)).clip([-20, -20, 1, 1]) for _ in range(2))
    cover = rng.integers(0, 9, 30).astype(float)
    part = part_of(truth.tolist(), found.tolist(), rule=NEURON, cover=cover.tolist())
    corners = [
        np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:] - 1], axis=1) for boxes in (truth, found)
    ]
    expected = score_got10k([got10k_frames(*corners, cover, (100, 80))])
    assert part.scores.values['ao'] == pytest.approx(expected.ao, abs=1e-15)
    assert part.scores.values['sr_0.5'] == expected.sr


@pytest.mark.parametrize(
    ('rows', 'message'),
    [([BOX], 'repetition 1: expected 2 rows'), ([BOX, [NAN] * 4], 'line 2: nan'), ([BOX] * 3, 'got 3')],
)
def test_refused_results(rows: list, message: str) -> None:
    with pytest.raises(DataError, match=message):
        part_of([BOX] * 2, rows)


def test_what_the_truth_must_have() -> None:
    with pytest.raises(DataError, match=r'cover\.label'):
        RULE.measure(BoxTruth('seq', np.array([BOX])), Got10kResult([np.array([BOX])], None))


def test_reading_repetitions_and_times(tmp_path: Path) -> None:
    folder = tmp_path / 'seq'
    folder.mkdir()
    for number in (1, 2):
        (folder / f'seq_00{number}.txt').write_text('20,20,10,10\n' * 2)
    (folder / 'seq_time.txt').write_text('0.1,0.2\n0.3,0.4\n')
    truth = BoxTruth('seq', np.array([BOX] * 2), cover=np.full(2, 8.0), image_size=(100, 80))
    result = RULE.read(ResultFiles(tmp_path), truth)
    assert len(result.boxes) == 2 and result.times is not None and result.times.shape == (2, 2)
    assert RULE.measure(truth, result).scores.values['ao'] == pytest.approx(1)
