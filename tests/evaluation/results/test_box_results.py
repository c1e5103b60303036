"""Finding and reading a sequence's boxes in every layout that trackers leave."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from mmgtrack.apis.results import CSV_HEADER
from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.formats.track_csv import HEADER

from .mat_files import BOXES, mat

ROWS = '1,2,3,4\n5,6,7,8.5\n'
OTHER = '9,9,9,9\n9,9,9,9\n'
FIRST = np.array([100.0, 50, 30, 20])
TRACK = f'{HEADER}\n30,1,2,3,4,1.0000,1\n31,5,6,7,8.5,0.2500,0\n'


def written(root: Path, files: Mapping[str, str | bytes], **options: str) -> BoxResults:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return BoxResults.of(ResultFiles(root, **options))


@pytest.mark.parametrize(
    'path, name',
    [
        ('Car4.txt', 'Car4'),
        ('car4.txt', 'Car4'),
        ('Jogging-1.txt', 'Jogging-1'),
        ('Jogging_1.txt', 'Jogging-1'),
        ('Jogging.1.txt', 'Jogging-1'),
        ('jogging-1.txt', 'Jogging.1'),
        ('Human4.txt', 'Human4-2'),
        ('Human4_2.txt', 'Human4'),
        ('human4.2.txt', 'Human4'),
        ('nfs_ball_1.txt', 'ball_1'),
        ('nfs_ball_1.txt', 'nfs_ball_1'),
        ('ball_1.txt', 'nfs_ball_1'),
        ('uav_bike1.txt', 'bike1'),
        ('trk_tracking_result/coin-3.txt', 'coin-3'),
        ('tracking_results/trk_tracking_result/coin-3.txt', 'coin-3'),
        ('GOT_1/GOT_1_001.txt', 'GOT_1'),
        ('top/GOT_1/GOT_1_001.txt', 'GOT_1'),
        ('GOT_001.txt', 'GOT_001'),
        ('Car4.csv', 'Car4'),
        ('Car4/track_1.csv', 'Car4'),
        ('Car4_tracks/track_1.csv', 'Car4'),
        ('Car4_tracks_2/track_1.csv', 'Car4'),
        ('track_1.csv', 'trk'),
        ('Car4.mat', 'Car4'),
        ('car4_CSK.mat', 'Car4'),
        ('Jogging_1.mat', 'Jogging-1'),
        ('jogging-1_CSK.mat', 'Jogging-1'),
    ],
)
def test_one_file(path: str, name: str, tmp_path: Path) -> None:
    content = {'txt': ROWS, 'csv': TRACK, 'mat': mat()}[path[-3:]]
    results = written(tmp_path / 'trk', {path: content})
    assert results.boxes(name).tolist() == BOXES
    assert [boxes.tolist() for boxes in results.repetitions(name)] == [BOXES]
    assert len(results.names()) == 1 and results.index.name_of(name) == results.names()[0]
    assert results.times(name) is None


def test_a_zip_with_one_top_folder(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / 'trk.zip', 'w') as archive:
        archive.writestr('trk/', '')
        archive.writestr('trk/Car4.txt', ROWS)
        archive.writestr('trk/coin-3.txt', OTHER)
    results = BoxResults.of(ResultFiles(tmp_path / 'trk.zip'))
    assert results.names() == ('Car4', 'coin-3') and results.boxes('Car4').tolist() == BOXES


def test_got10k_repetitions_and_times(tmp_path: Path) -> None:
    files = {f'G_1/G_1_{n:03d}.txt': f'{n},0,1,1\n{n},0,1,1\n' for n in (1, 2, 3)}
    results = written(tmp_path, {**files, 'G_1/G_1_time.txt': '.1,.2,.3\n.4,.5,.6\n'})
    assert [boxes[0, 0] for boxes in results.repetitions('G_1')] == [1, 2, 3]
    assert results.boxes('G_1')[0, 0] == 1
    times = results.times('G_1')
    assert times is not None and times.tolist() == [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]
    assert results.names() == ('G_1',) and results.presence_scores('G_1') is None


def test_pytracking_raw_results(tmp_path: Path) -> None:
    sides = {
        'time': '0.5\n0.25\n',
        'object_presence_scores': '1.0\n0.75\n',
        'all_boxes': 'x',
        'all_scores': 'x',
    }
    files = {f'lt-1_{side}.txt': content for side, content in sides.items()}
    results = written(tmp_path, {'lt-1.txt': ROWS.replace(',', '\t'), **files})
    assert results.names() == ('lt-1',) and results.boxes('lt-1').tolist() == BOXES
    times, scores = results.times('lt-1'), results.presence_scores('lt-1')
    assert times is not None and times.tolist() == [[0.5], [0.25]]
    assert scores is not None and scores.tolist() == [1, 0.75]
    (tmp_path / 'lt-1_object_presence_scores.txt').write_text('1\n')
    with pytest.raises(DataError, match=r'lt-1_object_presence_scores\.txt: 1 scores for 2 boxes'):
        results.presence_scores('lt-1')


def test_times_are_those_of_a_sequence_that_is_there(tmp_path: Path) -> None:
    results = written(tmp_path, {'bed_time.txt': ROWS, 'bed_time_time.txt': '1\n2\n'})
    assert results.names() == ('bed_time',) and results.boxes('bed_time').tolist() == BOXES
    assert np.array_equal(results.times('bed_time'), [[1], [2]])


def test_toolkit_times_in_a_folder_of_their_own(tmp_path: Path) -> None:
    results = written(tmp_path, {'Car4.txt': ROWS, 'times/Car4_time.txt': '1\n2\n'})
    assert results.names() == ('Car4',) and np.array_equal(results.times('car4'), [[1], [2]])


@pytest.mark.parametrize(
    'one, other, name',
    [
        ('a/Car4.txt', 'b/Car4.txt', 'Car4'),
        ('Car4.txt', 'car4.txt', 'Car4'),
        ('Jogging-1.txt', 'Jogging_1.txt', 'Jogging.1'),
        ('Human4.txt', 'Human4-2.txt', 'Human4'),
        ('Car4.csv', 'Car4.txt', 'Car4'),
        ('Car4_CSK.mat', 'Car4.txt', 'Car4'),
        ('G.txt', 'G/G_001.txt', 'G'),
        ('a/G/G_001.txt', 'b/G/G_001.txt', 'G'),
        ('Car4/track_1.csv', 'Car4/track_2.csv', 'Car4'),
        ('Car4_tracks/track_1.csv', 'Car4_tracks_2/track_1.csv', 'Car4'),
    ],
)
def test_two_files_that_fit(one: str, other: str, name: str, tmp_path: Path) -> None:
    results = written(tmp_path, {one: ROWS, other: OTHER})
    with pytest.raises(DataError, match=f'holds .* which both fit {name}; keep one of them') as caught:
        results.boxes(name)
    assert one in str(caught.value) and other in str(caught.value)


def test_two_time_files_that_fit(tmp_path: Path) -> None:
    results = written(tmp_path, {'A.txt': ROWS, 'A_time.txt': '1\n1\n', 'times/A_time.txt': '1\n1\n'})
    with pytest.raises(DataError, match=r'A_time\.txt and times/A_time\.txt, which both fit A'):
        results.times('A')


@pytest.mark.parametrize('name', ['Car', 'Car44', 'ar4', 'Car4_001', 'basketball-1'])
def test_missing(name: str, tmp_path: Path) -> None:
    # pytracking keeps the results of all sets in one folder: NfS's basketball_1 is not LaSOT's basketball-1
    results = written(tmp_path, {'Car4.txt': ROWS, 'nfs_basketball_1.txt': ROWS})
    with pytest.raises(MissingResultError, match=f'has no result of {name}: expected a file {name}.txt'):
        results.boxes(name)
    assert results.index.name_of(name) is None
    assert results.boxes('nfs_basketball_1').tolist() == BOXES


@pytest.mark.parametrize(
    'box_format, rows',
    [('xywh', ROWS), ('xyxy', '1,2,4,6\n5 6 12 14.5\n'), ('xyxy_inclusive', '1 2 3 5\n5,6,11,13.5\n')],
)
def test_box_formats(box_format: str, rows: str, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {'a.txt': rows, 'b.csv': TRACK, 'c.mat': mat()}
    results = written(tmp_path, files, box_format=box_format)
    for name in 'abc':  # the last two say themselves what they hold
        assert results.boxes(name).tolist() == BOXES


def test_unknown_box_format(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="box format must be one of xywh, xyxy, xyxy_inclusive, got 'yx'"):
        written(tmp_path, {'a.txt': ROWS}, box_format='yx')


def test_one_index_for_the_same_files(tmp_path: Path) -> None:
    files = ResultFiles(tmp_path)
    assert BoxResults.of(files) is BoxResults.of(files)
    assert BoxResults.of(ResultFiles(tmp_path)) is not BoxResults.of(files)


def test_rows_cannot_be_changed_for_the_next_reader(tmp_path: Path) -> None:
    results = written(tmp_path, {'a.txt': ROWS})
    results.boxes('a')[:] = 0
    assert results.boxes('a').tolist() == BOXES


@pytest.mark.parametrize(
    'box_format, row, said',
    [
        ('xywh', '100,50,30,20', None),
        ('xywh', '101,51,30,20', None),
        ('xywh', '100,50,130,70', 'xyxy'),
        ('xywh', '100,50,129,69', 'xyxy_inclusive'),
        ('xywh', '100,50,130.4,69.8', 'xyxy'),
        ('xywh', '300,50,30,20', None),
        ('xywh', 'nan,nan,nan,nan', None),
        ('xyxy', '100,50,130,70', None),
        ('xyxy', '100,50,129,69', None),
        ('xyxy', '100,50,30,20', 'xywh'),
    ],
)
def test_first_row_hint(box_format: str, row: str, said: str | None, tmp_path: Path) -> None:
    results = written(tmp_path / 'trk', {'a.txt': f'{row}\n1,2,3,4\n'}, box_format=box_format)
    assert results.first_row_hint('a', FIRST) is None  # not read so far
    results.boxes('a')
    hint = results.first_row_hint('a', FIRST)
    if said is None:
        assert hint is None
    else:
        assert hint == (
            f'the first row of a ({row.replace(",", ", ")}) is the annotated box when it is read as '
            f'{said}, not as {box_format}: --boxes {said}'
        )


def test_integer_note(tmp_path: Path) -> None:
    results = written(tmp_path / 'trk', {'a.txt': '1,2,3,4\nnan,nan,nan,nan\n', 'b.txt': ROWS})
    assert results.integer_note is None  # nothing was read
    results.boxes('a')
    note = results.integer_note
    assert note is not None and note.startswith('all boxes that were read (1) are whole numbers')
    results.boxes('b')
    assert results.integer_note is None


def test_notes_are_of_what_was_read(tmp_path: Path) -> None:
    results = written(
        tmp_path / 'trk', {'a.txt': '100,50,130,70\n', 'a.csv': ROWS, 'b.txt': '100,50,130,70\n'}
    )
    assert results.notes('a', FIRST) == ()
    with pytest.raises(DataError, match='which both fit a'):
        results.boxes('a')
    results.boxes('b')
    for name in ('a', 'no such sequence'):  # neither can be read; what is known of the rest is said
        assert [note[:28] for note in results.notes(name, FIRST)] == ['all boxes that were read (1)']
    hint, wanted = results.notes('b', FIRST)[1], '--boxes xyxy'
    (tmp_path / 'trk' / 'b.txt').unlink()
    assert hint.endswith(wanted) and results.notes('b', FIRST)[1] == hint
    assert len(results.notes('b', np.full(4, np.nan))) == 1


def test_no_hint_where_the_file_says_what_its_rows_are(tmp_path: Path) -> None:
    box = '0,100,50,30,20,1,1\n'
    results = written(tmp_path, {'a.csv': f'{HEADER}\n{box}'}, box_format='xyxy')
    results.boxes('a')
    assert results.first_row_hint('a', FIRST) is None


def test_rows_are_counted_once(tmp_path: Path) -> None:
    results = written(tmp_path / 'trk', {'a.txt': OTHER, 'a_object_presence_scores.txt': '1\n1\n'})
    for _ in range(2):
        results.boxes('a')
        results.presence_scores('a')
    assert str(results.integer_note).startswith('all boxes that were read (2)')


@pytest.mark.parametrize('stray', ['log.txt', 'README.txt', 'uav_bike1.txt', 'tpl_Ball_ce1.txt'])
def test_prefixed_files_beside_others(stray: str, tmp_path: Path) -> None:
    results = written(tmp_path, {'nfs_ball_1.txt': ROWS, 'nfs_ball_1_time.txt': '1\n2\n', stray: OTHER})
    assert results.boxes('ball_1').tolist() == BOXES
    assert np.array_equal(results.times('ball_1'), [[1], [2]])
    assert results.index.name_of('ball_1') == 'nfs_ball_1'


def test_a_prefix_counts_where_another_file_has_the_name(tmp_path: Path) -> None:
    files = {
        'nfs_car.txt': ROWS,
        'car.txt': OTHER,
        'nfs_bus.txt': ROWS,
        'uav_bus.txt': OTHER,
        'uav_car4.txt': ROWS,
    }
    results = written(tmp_path, files)
    assert results.boxes('car')[0, 0] == 9 and results.boxes('nfs_car')[0, 0] == 1
    with pytest.raises(DataError, match='nfs_bus and uav_bus, which both fit bus'):
        results.boxes('bus')
    with pytest.raises(MissingResultError):  # OTB's Car4 is not UAV123's car4
        results.boxes('Car4')


def test_own_rows_have_scores(tmp_path: Path) -> None:
    assert HEADER == CSV_HEADER
    scores = written(tmp_path, {'a.csv': TRACK}).presence_scores('a')
    assert scores is not None and scores.tolist() == [1, 0.25]


def test_csv_without_header_is_rows(tmp_path: Path) -> None:
    assert written(tmp_path, {'a.csv': ROWS}).boxes('a').tolist() == BOXES
