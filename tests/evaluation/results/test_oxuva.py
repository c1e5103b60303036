"""OxUvA's prediction files, read and written."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.results.oxuva import (
    FIELDS,
    OxuvaPredictions,
    parse_flag,
    parse_predictions,
    read_predictions,
    write_predictions,
)

NO_FRAMES = ('-1', '6.5', '1e300', '9999999999999999999', '10000001')
ROWS = 'vid,obj,30,true,0.5,0.1,0.3,0.2,0.4\nvid,obj,0,false,-1,,,,\n'


def test_rows() -> None:
    found = parse_predictions(ROWS, 'file', 'vid', 'obj')
    np.testing.assert_array_equal(found.frames, [0, 30])
    np.testing.assert_array_equal(found.present, [False, True])
    np.testing.assert_array_equal(found.scores, [-1, 0.5])
    np.testing.assert_array_equal(found.boxes, [[np.nan] * 4, [0.1, 0.2, 0.3, 0.4]])  # x1, y1, x2, y2


@pytest.mark.parametrize(
    'text',
    [
        ','.join(FIELDS) + '\n' + ROWS,
        ROWS.replace('\n', '\r\n'),
        ROWS + '\n\n',
        'object,video,frame_num,present,score,xmin,xmax,ymin,ymax\n' + ROWS.replace('vid,obj', 'obj,vid'),
    ],
)
def test_other_ways_to_write_the_same(text: str) -> None:
    found, expected = (parse_predictions(rows, 'file', 'vid', 'obj') for rows in (text, ROWS))
    for name in ('frames', 'present', 'scores', 'boxes'):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize(
    ('words', 'flag'),
    [(['t', 'True', ' yes', 'Y', '1', 'TRUE'], True), (['f', 'false', 'No ', 'n', '0'], False)],
)
def test_flags(words: list[str], flag: bool) -> None:
    assert [parse_flag(word) for word in words] == [flag] * len(words)


@pytest.mark.parametrize(
    ('row', 'message'),
    [
        ('vid,obj,60,maybe,0.5,0,1,0,1', "'maybe' where true or false belongs"),
        ('vid,obj,60,true,0.5,0,1,0', '8 columns'),
        ('vid,obj,60,true,0.5,0,1,0,', "'' where a number belongs"),
        ('vid,obj,60,true,0.5,0,1,0,nan', 'the box'),
        ('vid,obj,30,true,0.9,0,1,0,1', 'frame 30 a second time'),
        *(
            (f'vid,obj,{frame},true,0.5,0,1,0,1', f'{frame!r} where a whole frame number from 0')
            for frame in NO_FRAMES
        ),
        (f'vid,obj,60,true,0.5,0,1,0,{"1" * 200_000}', 'field larger than field limit'),
        ('vid,obj,6\r0,true,0.5,0,1,0,1', '3 columns'),
        ('vid,obj,6\x000,true,0.5,0,1,0,1', 'where a number belongs'),
        ('vid,obj,60,true,,0,1,0,1', 'could not convert'),
        ('vid,other,60,true,0.5,0,1,0,1', 'track vid,other in the file of vid,obj'),
    ],
)
def test_refused_rows(row: str, message: str) -> None:
    with pytest.raises(DataError, match=r'^file, line 3: expected video,object,frame_num') as error:
        parse_predictions(ROWS + row + '\n', 'file', 'vid', 'obj')
    assert message in str(error.value)


def test_finding_the_file(tmp_path: Path) -> None:
    results = tmp_path / 'tracker'
    (results / 'dev').mkdir(parents=True)
    with pytest.raises(MissingResultError, match=r'vid_obj\.csv'):
        read_predictions(ResultFiles(results), 'vid', 'obj')
    (results / 'dev' / 'vid_obj.csv').write_text(ROWS)
    assert len(read_predictions(ResultFiles(results), 'vid', 'obj').frames) == 2
    (results / 'vid_obj.csv').write_text(ROWS)
    with pytest.raises(DataError, match=r'dev/vid_obj\.csv, vid_obj\.csv'):
        read_predictions(ResultFiles(results), 'vid', 'obj')


def test_written_files_read_back(tmp_path: Path) -> None:
    boxes = np.array([[1 / 3, 0.1, 2 / 3, 0.9], [np.nan] * 4])
    made = OxuvaPredictions(np.array([7, 8]), np.array([True, False]), np.array([1 / 7, 0]), boxes)
    write_predictions(tmp_path / 'vid_obj.csv', 'vid', 'obj', made)
    found = read_predictions(ResultFiles(tmp_path), 'vid', 'obj')
    for name in ('frames', 'present', 'scores', 'boxes'):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
    assert (tmp_path / 'vid_obj.csv').read_text().splitlines()[1] == 'vid,obj,8,false,0.0,0,0,0,0'


def test_a_file_without_rows() -> None:
    assert parse_predictions('', 'file', 'vid', 'obj').boxes.shape == (0, 4)
