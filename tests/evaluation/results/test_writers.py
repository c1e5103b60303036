"""What is written can be read back, by our readers and in the official layout."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmgtrack.errors import InputError, OutputError
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.writers import (
    format_boxes,
    format_times,
    write_got10k,
    write_plain,
    write_pytracking,
)
from mmgtrack.formats.box_rows import parse_rows

BOXES = np.array([[-0.00001, 2, 3.00006, 4], [1000.12344, 6, 7, 8.5]])
TEXT = '0.0000,2.0000,3.0001,4.0000\n1000.1234,6.0000,7.0000,8.5000\n'
PIXELS = st.floats(-1e6, 1e6)


def test_plain(tmp_path: Path) -> None:
    write_plain(tmp_path / 'trk' / 'Car4.txt', BOXES)
    assert (tmp_path / 'trk' / 'Car4.txt').read_bytes() == TEXT.encode()
    assert [path.name for path in (tmp_path / 'trk').iterdir()] == ['Car4.txt']


def test_got10k(tmp_path: Path) -> None:
    times = np.array([[0.5, 0.123456789], [0.25, 1e-9]])
    write_got10k(tmp_path, 'G_1', [BOXES, BOXES + 1], times)
    assert (tmp_path / 'G_1' / 'G_1_001.txt').read_text() == TEXT
    assert (tmp_path / 'G_1' / 'G_1_time.txt').read_text() == '0.50000000,0.12345679\n0.25000000,0.00000000\n'
    results = BoxResults.of(ResultFiles(tmp_path))
    for read, made in zip(results.repetitions('G_1'), (BOXES, BOXES + 1), strict=True):
        np.testing.assert_allclose(read, made, rtol=0, atol=0.5001e-4)


def test_pytracking(tmp_path: Path) -> None:
    write_pytracking(tmp_path, 'lt-1', BOXES, np.array([0.5, 0.25]), np.array([1, -0.75]))
    assert (tmp_path / 'lt-1.txt').read_text() == TEXT.replace(',', '\t')
    results = BoxResults.of(ResultFiles(tmp_path))
    assert results.names() == ('lt-1',)
    assert np.array_equal(results.times('lt-1'), [[0.5], [0.25]])
    assert np.array_equal(results.presence_scores('lt-1'), [1, -0.75])
    write_pytracking(tmp_path / 'bare', 'lt-1', BOXES)
    assert [path.name for path in (tmp_path / 'bare').iterdir()] == ['lt-1.txt']


@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.just(4)), elements=PIXELS), st.sampled_from(',\t'))
def test_boxes_come_back_to_the_fourth_decimal(boxes: np.ndarray, separator: str) -> None:
    text = format_boxes(boxes, separator)
    assert '-0.0000\n' not in text
    read = parse_rows(text, 'f')
    np.testing.assert_allclose(read, boxes, rtol=0, atol=0.5001e-4)
    assert format_boxes(read, separator) == text


@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 3)), elements=st.floats(0, 1e4)))
def test_times_come_back_to_the_eighth_decimal(times: np.ndarray) -> None:
    read = parse_rows(format_times(times), 'f', columns=times.shape[1])
    np.testing.assert_allclose(read, times, rtol=1e-12, atol=0.5001e-8)


@given(arrays(np.float64, (3, 4), elements=st.decimals(-5000, 5000, places=4).map(float)))
def test_an_annotation_of_four_decimals_is_kept(boxes: np.ndarray) -> None:
    assert np.array_equal(parse_rows(format_boxes(boxes), 'f'), boxes)


@pytest.mark.parametrize(
    'boxes, message',
    [
        ([[1, 2, 3, 4], [1, np.nan, 3, 4]], 'row 1 is not finite'),
        ([[1, 2, np.inf, 4]], 'row 0 is not finite'),
        ([[1, 2, 3]], r'got shape \(1, 3\)'),
        (np.empty((0, 4)), r'got shape \(0, 4\)'),
        ([1, 2, 3, 4], r'got shape \(4,\)'),
    ],
)
def test_refused_boxes(boxes: list, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        write_plain(tmp_path / 'a.txt', np.array(boxes, dtype=float))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    'repetitions, times, message',
    [
        ([], np.ones((2, 1)), 'a column for each of 0 repetitions'),
        ([BOXES], np.ones((2, 2)), r'each of 1 repetitions and a row a frame, got shape \(2, 2\)'),
        ([BOXES], np.ones((3, 1)), r'got shape \(3, 1\)'),
        ([BOXES, BOXES[:1]], np.ones((2, 2)), 'G: repetitions of 2, 1 rows'),
        ([BOXES], np.array([[1], [np.nan]]), 'row 1 is not finite'),
        ([BOXES * np.nan], np.ones((2, 1)), 'row 0 is not finite'),
    ],
)
def test_refused_repetitions(repetitions: list, times: np.ndarray, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        write_got10k(tmp_path, 'G', repetitions, times)
    assert not list(tmp_path.iterdir())


def test_refused_scores(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'expected 2 rows, got object_presence_scores of shape \(3,\)'):
        write_pytracking(tmp_path, 'a', BOXES, scores=np.ones(3))
    with pytest.raises(InputError, match=r'times must be \(F, R\) seconds'):
        format_times(np.ones(3))
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match=r'cannot write .*file/a\.txt'):
        write_plain(tmp_path / 'file' / 'a.txt', BOXES)
