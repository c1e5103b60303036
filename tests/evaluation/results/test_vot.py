import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmgtrack.errors import DataError, InputError, OutputError
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.results.vot import anchor_name, read_trajectory, run_name, write_trajectory

BOXES = np.array([[9, 9, 5, 5], [10.25, 11, 5, 6.1], [np.nan] * 4])
SCORES = np.array([1.0, 0.1, 1 / 3])
TIMES = np.array([0.5, 0.04, 0.041])


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return ResultFiles(folder)


def read(results, sequence='car', name='car_001', experiment='longterm'):
    return read_trajectory(results, sequence, name, experiment)


def test_names():
    assert run_name('car') == 'car_001'
    assert run_name('car', 15) == 'car_015'
    assert anchor_name('car', 50) == 'car_00000050'


def test_written_files(tmp_path):
    write_trajectory(tmp_path / 'longterm' / 'car', 'car_001', BOXES, SCORES, TIMES)
    folder = tmp_path / 'longterm' / 'car'
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        'car_001.txt': '1\n10.25,11.0,5.0,6.1\n0\n',
        'car_001_confidence.value': f'\n0.1\n{1 / 3!r}\n',
        'car_001_time.value': '0.500000\n0.040000\n0.041000\n',
    }


def test_written_files_are_read_back(tmp_path):
    write_trajectory(tmp_path / 'longterm' / 'car', 'car_001', BOXES, SCORES, TIMES)
    trajectory = read(ResultFiles(tmp_path))
    assert trajectory.regions.codes.tolist() == [1, -1, 0]
    np.testing.assert_array_equal(trajectory.regions.boxes[1], [10.25, 11, 5, 6.1])
    np.testing.assert_array_equal(trajectory.confidences, [0, *SCORES[1:]])  # the first line is blank
    np.testing.assert_array_equal(trajectory.times, TIMES)


@given(st.lists(st.floats(-1e5, 1e5, width=32), min_size=4, max_size=4))
def test_boxes_keep_their_float32_value(tmp_path_factory, box):
    folder = tmp_path_factory.mktemp('run')
    write_trajectory(folder / 'car', 'car_001', np.array([box, box]), np.zeros(2))
    boxes = read(ResultFiles(folder)).regions.boxes
    np.testing.assert_array_equal(np.float32(boxes[1]), np.float32(box))


@pytest.mark.parametrize(
    ('boxes', 'scores', 'times', 'message'),
    [
        (np.zeros((3, 5)), np.zeros(3), None, 'boxes'),
        (np.zeros((0, 4)), np.zeros(0), None, 'boxes'),
        (np.full((2, 4), np.inf), np.zeros(2), None, 'boxes'),
        (BOXES, np.zeros(2), None, '3 finite scores'),
        (BOXES, np.array([0, np.nan, 0]), None, '3 finite scores'),
        (BOXES, SCORES, np.zeros(4), '3 times'),
    ],
)
def test_refuses_to_write(tmp_path, boxes, scores, times, message):
    with pytest.raises(InputError, match=f'car_001: expected .*{message}'):
        write_trajectory(tmp_path, 'car_001', boxes, scores, times)
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_of_the_folder(tmp_path):
    (tmp_path / 'car').write_text('')
    with pytest.raises(OutputError, match='cannot make the folder'):
        write_trajectory(tmp_path / 'car', 'car_001', BOXES, SCORES)


@pytest.mark.parametrize('prefix', ['good/longterm/car/', 'longterm/car/', 'longterm/', 'car/', ''])
def test_where_a_run_may_lie(tmp_path, prefix):
    results = write(tmp_path, {f'{prefix}car_001.txt': '1\n1,2,3,4\n'})
    assert len(read(results).regions) == 2


def test_in_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / 'good.zip', 'w') as archive:
        archive.writestr('longterm/car/car_001.txt', '1\n1,2,3,4\n')
        archive.writestr('longterm/car/car_001_confidence.value', '\n0.5\n')
    assert read(ResultFiles(tmp_path / 'good.zip')).confidences.tolist() == [0, 0.5]


def test_another_experiment_is_not_taken(tmp_path):
    results = write(tmp_path, {'realtime/car/car_001.txt': '1\n'})
    with pytest.raises(MissingResultError, match='no result of car: expected longterm/car/car_001'):
        read(results)


def test_the_experiment_decides(tmp_path):
    results = write(tmp_path, {'realtime/car/car_001.txt': '1\n', 'longterm/car/car_001.txt': '1\n0\n'})
    assert len(read(results).regions) == 2


def test_several_of_one_name(tmp_path):
    results = write(tmp_path, {f'{tracker}/longterm/car/car_001.txt': '1\n' for tracker in 'ab'})
    with pytest.raises(DataError, match=r'several files car_001.txt: a/.*, b/'):
        read(results)


def test_text_counts_before_binary(tmp_path):
    binary = struct.pack('<hIBI', 1, 1, 0, 1)
    results = write(tmp_path, {'longterm/car/car_001.bin': binary})
    assert len(read(results).regions) == 1
    results = write(tmp_path, {'longterm/car/car_001.txt': '1\n0\n'})
    assert len(read(results).regions) == 2


def test_without_value_files(tmp_path):
    trajectory = read(write(tmp_path, {'car_001.txt': '1\n'}))
    assert trajectory.confidences is None
    assert trajectory.times is None


def test_blank_and_missing_values(tmp_path):
    files = {
        'car_001.txt': '1\n0\n0\n',
        'car_001_confidence.value': '\nnan\n\n',
        'car_001_time.value': '0.1\n\n2\n\n',
    }
    trajectory = read(write(tmp_path, files))
    np.testing.assert_array_equal(trajectory.confidences, [0, np.nan, 0])
    np.testing.assert_array_equal(trajectory.times, [0.1, np.nan, 2])


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ('\n0.5\n', 'car_001_confidence.value has 2 lines, expected 3'),
        ('\n0.5\n0.5\n0.5\n', 'car_001_confidence.value has 4 lines, expected 3'),
        ('\n0.5\nsure\n', "car_001_confidence.value, line 3: expected a number, got 'sure'"),
        ('\n1_0\n0\n', "car_001_confidence.value, line 2: expected a number, got '1_0'"),
        ('\ninf\n0\n', 'car_001_confidence.value, line 2: expected a number'),
    ],
)
def test_faulty_values(tmp_path, values, message):
    results = write(tmp_path, {'car_001.txt': '1\n0\n0\n', 'car_001_confidence.value': values})
    with pytest.raises(DataError, match=message):
        read(results)
