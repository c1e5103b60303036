"""Several targets: what goes into trackeval, and what comes out."""

import sys
from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError, MissingDependencyError
from mmgtrack.evaluation.annotations.mot import MotTruth
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.mot import MotRows
from mmgtrack.evaluation.rules.mot import MotPart, MotRule, combine, metrics, pairwise_iou, tracks_data

RULE = MotRule()
BOX = (10, 10, 20, 20)
FAR = (200, 10, 20, 20)


def rows(*found: tuple[int, int, tuple]) -> MotRows:
    """frame, id, box."""
    return MotRows(
        np.array([row[0] for row in found], np.int64),
        np.array([row[1] for row in found], np.int64),
        np.array([row[2] for row in found], float).reshape(-1, 4),
        np.ones(len(found)),
    )


def part_of(truth: MotRows, result: MotRows, num_frames: int | None = None) -> MotPart:
    pytest.importorskip('trackeval')
    return RULE.measure(MotTruth('seq', truth, num_frames), result)


TRUTH = rows((1, 5, BOX), (1, 9, FAR), (2, 5, BOX), (2, 9, FAR), (4, 5, BOX))


@pytest.mark.parametrize(
    ('result', 'hota', 'idf1', 'mota', 'switches'),
    [
        (TRUTH, 1, 1, 1, 0),
        (rows((4, 80, BOX), (2, 80, BOX), (2, 7, FAR), (1, 7, FAR), (1, 80, BOX)), 1, 1, 1, 0),  # any order
        (rows((1, 80, BOX), (1, 7, FAR), (2, 7, BOX), (2, 80, FAR), (4, 7, BOX)), None, 0.6, 0.6, 2),
        (rows(), 0, 0, 0, 0),
        (rows((3, 1, BOX)), 0, 0, -0.2, 0),
    ],
)
def test_scores(result: MotRows, hota: float | None, idf1: float, mota: float, switches: int) -> None:
    values = part_of(TRUTH, result).scores.values
    if hota is not None:
        assert values['hota'] == pytest.approx(hota)
    assert values['idf1'] == pytest.approx(idf1)
    assert values['mota'] == pytest.approx(mota)
    assert values['id_switches'] == switches
    assert set(RULE.columns) <= set(values)


def test_sequences_are_put_together_by_their_counts() -> None:
    good, bad = part_of(TRUTH, TRUTH), part_of(rows((1, 1, BOX)), rows())
    total = RULE.total([good, bad])
    assert total.values['idr'] == pytest.approx(5 / 6)
    assert total.values['mota'] == pytest.approx(5 / 6)
    assert total.curves['hota'].shape == (19,)
    assert combine([good, good])['CLEAR']['CLR_TP'] == 10


def test_what_trackeval_is_given() -> None:
    data = tracks_data(MotTruth('seq', TRUTH, 6), rows((2, 3, BOX)))
    assert data['num_timesteps'] == 6 and data['num_gt_ids'] == 2 and data['num_tracker_dets'] == 1
    assert [ids.tolist() for ids in data['gt_ids']] == [[0, 1], [0, 1], [], [0], [], []]
    assert data['similarity_scores'][1].tolist() == [[1], [0]]
    assert data['similarity_scores'][2].shape == (0, 0)


def test_boxes_after_the_last_frame() -> None:
    assert tracks_data(MotTruth('seq', TRUTH), rows((7, 1, BOX)))['num_timesteps'] == 7
    with pytest.raises(DataError, match='seq has 4 frames, got a box of frame 7'):
        tracks_data(MotTruth('seq', TRUTH, 4), rows((7, 1, BOX)))


def test_overlaps() -> None:
    boxes = np.array([BOX, FAR, (10, 10, 0, 20)], float)
    others = np.array([BOX, (10, 10, 20, 10), (0, 0, -5, 5)], float)
    np.testing.assert_allclose(pairwise_iou(boxes, others), [[1, 0.5, 0], [0, 0, 0], [0, 0, 0]])


def test_trackeval_is_loaded_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    part_of(TRUTH, TRUTH)
    assert capfd.readouterr() == ('', '')


def test_without_trackeval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'trackeval.metrics', None)
    metrics.cache_clear()
    try:
        with pytest.raises(MissingDependencyError, match=r'pip install --no-deps trackeval'):
            RULE.measure(MotTruth('seq', TRUTH), TRUTH)
    finally:
        metrics.cache_clear()


def test_reading(tmp_path: Path) -> None:
    (tmp_path / 'seq.txt').write_text('1,1,10,10,20,20,1,-1,-1,-1\n')
    assert RULE.read(ResultFiles(tmp_path), MotTruth('seq', TRUTH)).boxes.tolist() == [list(BOX)]
