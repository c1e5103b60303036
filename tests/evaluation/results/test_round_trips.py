"""What our writers write, our readers read back to the last digit."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.mot import MotRows, read_mot, write_mot
from mmgtrack.evaluation.results.oxuva import OxuvaPredictions, read_predictions, write_predictions
from mmgtrack.evaluation.results.proposals import Proposals, read_proposals, write_proposals
from mmgtrack.formats.frame_numbers import LAST_FRAME

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rows(data: st.DataObject, columns: int, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Rising frame numbers, and a row of numbers for each."""
    frames = sorted(data.draw(st.sets(st.integers(first, LAST_FRAME), max_size=4)))
    return np.array(frames, np.int64), data.draw(arrays(np.float64, (len(frames), columns), elements=NUMBERS))


def same(found: object, made: object) -> None:
    for name in vars(made):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name), name)


@QUIET
@given(st.data())
def test_mot(tmp_path: Path, data: st.DataObject) -> None:
    frames, values = rows(data, 4, first=1)
    ids = data.draw(arrays(np.int64, len(frames), elements=st.integers(-(2**53), 2**53)))
    made = MotRows(frames, ids, values, (values[:, 0] > 0).astype(float))
    write_mot(tmp_path / 'a.txt', made)
    same(read_mot(ResultFiles(tmp_path), 'a'), made)


@QUIET
@given(st.data())
def test_proposals(tmp_path: Path, data: st.DataObject) -> None:
    frames, values = rows(data, 5, first=1)
    made = Proposals(frames - 1, values[:, :4], values[:, 4])
    write_proposals(tmp_path / 'a.txt', made)
    same(read_proposals(ResultFiles(tmp_path), 'a'), made)


@pytest.mark.parametrize(('video', 'obj'), [('vid', 'obj'), ('a_b', '1')])
@QUIET
@given(data=st.data())
def test_oxuva(video: str, obj: str, data: st.DataObject, tmp_path: Path) -> None:
    frames, values = rows(data, 5, first=0)
    present = values[:, 4] > 0
    boxes = np.where(present[:, np.newaxis], values[:, :4], np.nan)
    made = OxuvaPredictions(frames, present, values[:, 4], boxes)
    write_predictions(tmp_path / f'{video}_{obj}.csv', video, obj, made)
    same(read_predictions(ResultFiles(tmp_path), video, obj), made)
