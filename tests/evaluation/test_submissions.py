"""Submissions: every fault is named, nothing faulty is written, the same results give the same bytes."""

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError, InputError, OutputError
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.submissions import (
    FROM_ANNOTATIONS,
    TABLES,
    Expected,
    check_submission,
    listed_sequences,
    pack_submission,
    shown_problems,
    table_sequences,
)

ROWS = '10,20,30,40\n11,21,31,41\n12,22,32,42\n'
BOX = np.array([10.0, 20, 30, 40])
BOX_SETS = Expected(('A_1', 'B_1'), frames={'A_1': 3, 'B_1': 3}, first_boxes={'A_1': BOX, 'B_1': BOX})
TRACKS = Expected(('v1_o1', 'v2_o1'), spans={'v1_o1': (0, 90), 'v2_o1': (15, 60)})
VOT = Expected(
    ('ants', 'bag'),
    frames={'ants': 4, 'bag': 3},
    anchors={'ants': np.array([1.0, 0, 0, -1]), 'bag': np.array([1.0, 0, 0])},
)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def got10k(root: Path) -> Path:
    files = {f'{name}/{name}_{n:03d}.txt': ROWS for name in BOX_SETS.names for n in (1, 2)}
    times = {f'{name}/{name}_time.txt': '0.1,0.2\n' * 3 for name in BOX_SETS.names}
    return write(root, {**files, **times})


def plain(root: Path) -> Path:
    return write(root, {f'{name}.txt': ROWS for name in BOX_SETS.names})


def prediction(track: str, frame: int, rest: str = 'true,0.5,0.1,0.2,0.1,0.2') -> str:
    return f'{track.replace("_", ",")},{frame},{rest}\n'


def oxuva(root: Path) -> Path:
    frames = {'v1_o1': (1, 30, 60, 90), 'v2_o1': (30, 60)}
    return write(root, {f'{t}.csv': ''.join(prediction(t, n) for n in ns) for t, ns in frames.items()})


def vot(root: Path) -> Path:
    files = {}
    for run, rows in (('ants/ants_00000000', 4), ('ants/ants_00000003', 4), ('bag/bag_00000000', 3)):
        files[f'baseline/{run}.txt'] = '1\n' + '1,2,3,4\n' * (rows - 1)
        files[f'baseline/{run}_confidence.value'] = '\n' + '0.5\n' * (rows - 1)
    for sequence, rows in VOT.frames.items():
        files[f'unsupervised/{sequence}/{sequence}_001.txt'] = '1\n' + '1,2,3,4\n' * (rows - 1)
    return write(root, files)


KINDS: dict[str, tuple[Callable[[Path], Path], Expected]] = {
    'got10k': (got10k, BOX_SETS),
    'trackingnet': (plain, BOX_SETS),
    'plain': (plain, BOX_SETS),
    'oxuva': (oxuva, TRACKS),
    'vot': (vot, VOT),
}


@pytest.mark.parametrize('kind', KINDS)
def test_packed_results(kind: str, tmp_path: Path) -> None:
    make, expected = KINDS[kind]
    results = ResultFiles(make(tmp_path / 'trk'))
    assert check_submission(kind, results, expected) == []
    out = tmp_path / 'out.zip'
    pack_submission(kind, results, expected, out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['out.zip', 'trk']
    written = ResultFiles(out)
    manifest = {'manifest.yml'} if kind == 'vot' else set()
    assert set(written.paths) == set(results.paths) | manifest
    assert check_submission(kind, written, expected) == []
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.parametrize('kind', KINDS)
def test_same_results_same_bytes(kind: str, tmp_path: Path) -> None:
    make, expected = KINDS[kind]
    folder = make(tmp_path / 'trk')
    shutil.make_archive(str(tmp_path / 'zipped' / 'trk'), 'zip', folder)
    for out, source in (('a.zip', folder), ('b.zip', tmp_path / 'zipped' / 'trk.zip')):
        pack_submission(kind, ResultFiles(source), expected, tmp_path / out)
    assert (tmp_path / 'a.zip').read_bytes() == (tmp_path / 'b.zip').read_bytes()
    # what was packed is itself a result to pack
    pack_submission(kind, ResultFiles(tmp_path / 'a.zip'), expected, tmp_path / 'c.zip', tracker='trk')
    assert (tmp_path / 'c.zip').read_bytes() == (tmp_path / 'a.zip').read_bytes()


def test_boxes_are_written_in_the_format_of_the_server(tmp_path: Path) -> None:
    folder = write(
        tmp_path / 'trk', {'a_1.txt': '\ufeff10\t20\t40\t60\r\n11.5 21 42.5 62\r\n', 'B-1.txt': ROWS}
    )
    expected = Expected(('A_1', 'B_1'), frames={'A_1': 2})
    pack_submission('trackingnet', ResultFiles(folder, 'xyxy'), expected, tmp_path / 'out.zip')
    written = ResultFiles(tmp_path / 'out.zip')
    assert written.paths == ('A_1.txt', 'B_1.txt')
    assert written.read_bytes('A_1.txt') == (
        b'10.0000,20.0000,30.0000,40.0000\n11.5000,21.0000,31.0000,41.0000\n'
    )


def test_pytracking_results_become_got10k_folders(tmp_path: Path) -> None:
    files = {f'{name}.txt': ROWS.replace(',', '\t') for name in BOX_SETS.names}
    times = {f'{name}_time.txt': '0.1\n' * 3 for name in BOX_SETS.names}
    pack_submission(
        'got10k', ResultFiles(write(tmp_path / 'trk', {**files, **times})), BOX_SETS, tmp_path / 'o.zip'
    )
    results = BoxResults.of(ResultFiles(tmp_path / 'o.zip'))
    assert results.files.paths[:2] == ('A_1/A_1_001.txt', 'A_1/A_1_time.txt')
    assert results.boxes('B_1').tolist()[0] == BOX.tolist()


@pytest.mark.parametrize('kind', KINDS)
def test_the_manifest_and_existing_archives(kind: str, tmp_path: Path) -> None:
    make, expected = KINDS[kind]
    results, out = ResultFiles(make(tmp_path / 'trk')), tmp_path / 'out.zip'
    out.write_bytes(b'old')
    with pytest.raises(
        OutputError, match=r'out\.zip exists already; choose another name, or replace it with'
    ):
        pack_submission(kind, results, expected, out)
    assert out.read_bytes() == b'old'
    pack_submission(kind, results, expected, out, tracker='my-tracker_2', overwrite=True)
    if kind == 'vot':
        assert ResultFiles(out).read_text('manifest.yml').startswith('identifier: my-tracker_2\n')
    with pytest.raises(OutputError, match=r'out\.zip is the source itself'):
        pack_submission(kind, ResultFiles(out), expected, out, overwrite=True)


FAULTS = [
    ('plain', {'A_1.txt': None}, ['A_1: no result']),
    ('plain', {'C_1.txt': ROWS}, ['C_1: not a sequence of this set']),
    ('plain', {'A_1.txt': ROWS + '1,2,3,4\n'}, ['A_1: 4 rows, expected 3']),
    ('plain', {'A_1.txt': ROWS.replace('31', 'nan')}, ['A_1, line 2: nan, expected a box in every row']),
    ('plain', {'A_1.txt': ROWS.replace('31', '-31')}, ['A_1, line 2: negative width or height']),
    ('plain', {'A_1.txt': ROWS.replace('31', '0')}, []),
    (
        'plain',
        {'A_1.txt': ROWS.replace('31', 'inf')},
        ['trk/A_1.txt, line 2: expected 4 numbers x,y,w,h'],
    ),
    (
        'plain',
        {'A_1.txt': ROWS.replace('31,', '31')},
        ['trk/A_1.txt, line 2: expected 4 numbers x,y,w,h'],
    ),
    ('plain', {'A_1.txt': ''}, ['trk/A_1.txt is empty']),
    ('plain', {'A_1.txt': ROWS.replace('10,20', '11,20.99')}, []),
    (
        'plain',
        {'A_1.txt': ROWS.replace('30,40', '40,60')},
        ['A_1, line 1: 10,20,40,60, expected the given box 10,20,30,40 (x,y,w,h)'],
    ),
    ('plain', {'sub/A_1.txt': ROWS}, ['trk holds A_1.txt and sub/A_1.txt, which both fit A_1']),
    ('plain', {'A_1.txt': None, 'C_1.txt': ROWS}, ['C_1: not a sequence of this set', 'A_1: no result']),
    ('trackingnet', {'A_1.txt': ROWS * 2}, ['A_1: 6 rows, expected 3']),
    (
        'got10k',
        {'A_1/A_1_002.txt': None},
        ['A_1_time: 3 rows of 2 columns', 'the sequences differ in'],
    ),
    (
        'got10k',
        {'A_1/A_1_002.txt': ROWS * 2},
        ['A_1_002: 6 rows, expected 3', 'A_1: repetitions of 3 and 6'],
    ),
    (
        'got10k',
        {'A_1/A_1_time.txt': None},
        ['A_1: no times, expected A_1_time.txt with the seconds'],
    ),
    ('got10k', {'A_1/A_1_time.txt': '0.1\n' * 3}, []),
    ('got10k', {'A_1/A_1_time.txt': '1,1\n' * 2}, ['A_1_time: 2 rows of 2 columns, expected 3 rows of 2']),
    ('got10k', {'A_1/A_1_time.txt': '1,1\n1,-1\n1,nan\n'}, ['A_1_time, line 2: not a time']),
    ('got10k', {'A_1/A_1_time.txt': 'x\n'}, ["A_1_time.txt, line 1: expected 1 number, got 'x'"]),
    (
        'got10k',
        {f'{s}/{s}_{n:03d}.txt': ROWS for s in ('A_1', 'B_1') for n in (3, 4)}
        | {f'{s}/{s}_time.txt': '1\n' * 3 for s in ('A_1', 'B_1')},
        ['A_1: 4 repetitions, expected at most 3', 'B_1: 4 repetitions, expected at most 3'],
    ),
    ('oxuva', {'v1_o1.csv': None}, ['v1_o1: no result']),
    ('oxuva', {'v3_o1.csv': ''}, ['v3_o1.csv: not a track of this set']),
    ('oxuva', {'v1_o1.csv': ''}, ['v1_o1: no predictions']),
    (
        'oxuva',
        {'v1_o1.csv': prediction('v1_o1', 90)},
        ['v1_o1: no prediction for the label in frame 30'],
    ),
    (
        'oxuva',
        {'v1_o1.csv': prediction('v1_o1', 1) + prediction('v1_o1', 59)},
        ['v1_o1: ends with frame 59, the track with 90'],
    ),
    (
        'oxuva',
        {'v1_o1.csv': prediction('v1_o1', 1) + prediction('v1_o1', 91)},
        ['v1_o1: frames 1 to 91, the track is from 0 to 90'],
    ),
    (
        'oxuva',
        {'v1_o1.csv': prediction('v2_o1', 1)},
        ['trk/v1_o1.csv, line 1: expected video,object,'],
    ),
    (
        'oxuva',
        {'v1_o1.csv': prediction('v1_o1', 1, 'yes,inf,0.1,0.2,0.1,0.2') + prediction('v1_o1', 90)},
        ['v1_o1: the score of frame 1 is not finite'],
    ),
    (
        'oxuva',
        {'v1_o1.csv': prediction('v1_o1', 1, 'false,0,,,,') + prediction('v1_o1', 90, 'true,1,0.5,0.4,0,1')},
        ['v1_o1: the box of frame 90 has no size; say absent there'],
    ),
    (
        'oxuva',
        {'v1_o1.csv': prediction('v1_o1', 1) + prediction('v1_o1', 90, 'true,1,0.4,0.4,0,1')},
        ['v1_o1: the box of frame 90 has no size; say absent there'],
    ),
    (
        'oxuva',
        {'v1_o1.csv': prediction('v1_o1', 1) + prediction('v1_o1', 90) * 2},
        ['trk/v1_o1.csv, line 3: expected video,object,'],
    ),
    ('trackingnet', {'A_1.txt': ROWS.replace('31,41', '0,0')}, []),
    ('vot', {'unsupervised/bag/bag_001.txt': None}, ['unsupervised/bag: no result']),
    ('vot', {'unsupervised/cup/cup_001.txt': '1\n'}, ['unsupervised/cup: not a sequence of this set']),
    ('vot', {'unsupervised/bag/cup_001.txt': '1\n'}, ['unsupervised/bag/cup_001.txt: not a file of bag']),
    ('vot', {'bag_001.txt': '1\n'}, ['bag_001.txt: expected EXPERIMENT/SEQUENCE/FILE']),
    ('vot', {'unsupervised/bag/bag_001.txt': '1\n0\n'}, ['unsupervised/bag/bag_001: 2 rows, expected 3']),
    (
        'vot',
        {'unsupervised/bag/bag_001.bin': ''},
        ['unsupervised/bag/bag_001: both as .txt and as .bin'],
    ),
    (
        'vot',
        {
            'baseline/ants/ants_00000003.txt': '1\n0\n',
            'baseline/ants/ants_00000003_confidence.value': '\n1\n',
        },
        ['baseline/ants/ants_00000003: 2 rows, expected 4'],
    ),
    (
        'vot',  # as if the anchor's run went forward
        {'baseline/ants/ants_00000003.txt': '1\n', 'baseline/ants/ants_00000003_confidence.value': '\n'},
        ['baseline/ants/ants_00000003: 1 rows, expected 4'],
    ),
    (
        'vot',  # as if it went backward
        {'baseline/bag/bag_00000000.txt': '1\n', 'baseline/bag/bag_00000000_confidence.value': '\n'},
        ['baseline/bag/bag_00000000: 1 rows, expected 3'],
    ),
    (
        'vot',
        {'baseline/ants/ants_00000000_confidence.value': '1\n'},
        ['ants_00000000_confidence.value has 1 line'],
    ),
    ('vot', {'baseline/ants/ants_00000003.txt': None}, ['baseline/ants: no run from anchor 3']),
    ('vot', {'baseline/ants/ants_00000001.txt': '1\n0\n'}, ['baseline/ants: frame 1 is no anchor']),
    (
        'vot',
        {'unsupervised/bag/bag_00000000.txt': '1\n0\n0\n'},
        ['unsupervised/bag: runs of the whole sequence and from anchors in one experiment'],
    ),
    ('vot', {'unsupervised/bag/bag_001.txt': '1\n1,2\n0\n'}, ['unsupervised/bag/bag_001.txt, line 2']),
]


def test_a_run_without_the_confidences_that_others_have(tmp_path: Path) -> None:
    for name in ('ants', 'bees'):
        folder = tmp_path / 'trk' / 'longterm' / name
        folder.mkdir(parents=True)
        (folder / f'{name}_001.txt').write_text('1\n1,2,3,4\n')
        (folder / f'{name}_001_confidence.value').write_text('\n0.5\n')
    expected = Expected(('ants', 'bees'))
    assert check_submission('vot', ResultFiles(tmp_path / 'trk'), expected) == []
    (tmp_path / 'trk/longterm/ants/ants_001_confidence.value').unlink()
    assert check_submission('vot', ResultFiles(tmp_path / 'trk'), expected) == [
        'longterm/ants/ants_001_confidence.value: missing, although other runs have one'
    ]
    (tmp_path / 'trk/longterm/bees/bees_001_confidence.value').unlink()
    assert check_submission('vot', ResultFiles(tmp_path / 'trk'), expected) == []


@pytest.mark.parametrize('kind, changes, problems', FAULTS)
def test_faults(kind: str, changes: dict[str, str | None], problems: list[str], tmp_path: Path) -> None:
    make, expected = KINDS[kind]
    folder = make(tmp_path / 'trk')
    for name, text in changes.items():
        (folder / name).unlink() if text is None else write(folder, {name: text})
    found = check_submission(kind, ResultFiles(folder), expected)
    assert len(found) == len(problems), found
    for said, wanted in zip(found, problems, strict=True):
        assert wanted in said
    out = tmp_path / 'out.zip'
    if problems:
        with pytest.raises(DataError, match='nothing is packed'):
            pack_submission(kind, ResultFiles(folder), expected, out)
        assert not out.exists() and not out.with_name('out.zip.part').exists()


def test_a_long_list_of_problems_is_cut() -> None:
    problems = [f'p{n}' for n in range(23)]
    assert shown_problems(problems) == [*problems[:20], 'and 3 more']
    assert shown_problems(problems[:20]) == problems[:20]


def test_what_the_callers_do_wrong(tmp_path: Path) -> None:
    results = ResultFiles(vot(tmp_path / 'my tracker'))
    with pytest.raises(InputError, match="no kind of submission 'lasot'; expected one of got10k, "):
        check_submission('lasot', results, VOT)
    with pytest.raises(InputError, match="'my tracker' is no identifier of a VOT tracker"):
        pack_submission('vot', results, VOT, tmp_path / 'out.zip')
    with pytest.raises(DataError, match='A is expected twice'):
        Expected(('A', 'B', 'A'))
    with pytest.raises(DataError, match='the list is empty'):
        Expected(())
    assert check_submission('vot', ResultFiles(write(tmp_path / 'none', {'.x': ''})), VOT) == [
        'no experiment: expected EXPERIMENT/SEQUENCE/FILE'
    ]


def test_listed_sequences(tmp_path: Path) -> None:
    path = tmp_path / 'list.txt'
    path.write_text('A_1,3\nB_1\n\nC_1 5\n')
    listed = listed_sequences(path)
    assert listed.names == ('A_1', 'B_1', 'C_1') and listed.frames == {'A_1': 3, 'C_1': 5}
    path.write_text('A_1\nB_1,x\n')
    with pytest.raises(DataError, match=r"list\.txt, line 2: expected NAME or NAME,FRAMES, got 'B_1,x'"):
        listed_sequences(path)
    path.write_text('A_1,3\nB_1\nA_1\n')
    with pytest.raises(DataError, match=r'list\.txt, line 3: A_1 stands in line 1 already'):
        listed_sequences(path)
    for frames in ('0', '1.5', '-1', '9' * 5000, '1e300', '2,3'):
        path.write_text(f'A_1\nB_1,{frames}\n')
        with pytest.raises(DataError, match=r'list\.txt, line 2: expected NAME or NAME,FRAMES, got'):
            listed_sequences(path)
    for name in ('nowhere.txt', 'x' * 300):
        with pytest.raises(DataError, match=f'^cannot read .*/{name}'):
            listed_sequences(tmp_path / name)


def test_runs_from_anchors_that_are_not_known(tmp_path: Path) -> None:
    folder = write(tmp_path / 'trk', {'baseline/ants/ants_00000001.txt': '1\n0\n'})
    assert check_submission('vot', ResultFiles(folder), Expected(('ants',), {'ants': 3})) == []
    for frames, wanted in ((4, '2 rows, expected 3'), (6, '2 rows, expected 5')):
        anchors = {'ants': np.array([0.0, 1, 0, 0, 0, 0])}
        found = check_submission(
            'vot', ResultFiles(folder), Expected(('ants',), {'ants': frames}, anchors=anchors)
        )
        assert len(found) == 1 and wanted in found[0]


@pytest.mark.parametrize('kind, count', [('got10k', 180), ('trackingnet', 511), ('oxuva', 166)])
def test_published_lists(kind: str, count: int) -> None:
    expected = table_sequences(TABLES[kind])
    assert len(expected.names) == count
    assert len(expected.spans) == (count if kind == 'oxuva' else 0)


def test_sequences_of_a_got10k_folder(tmp_path: Path) -> None:
    files = {f'{name}/groundtruth.txt': '10,20,30,40\n' for name in ('A_1', 'B_1')}
    files |= {f'A_1/{n:08d}.jpg': '' for n in (1, 2, 3)}
    write(tmp_path / 'test', {'list.txt': 'B_1\nA_1\n', **files})
    expected = FROM_ANNOTATIONS['got10k'](tmp_path)
    assert expected.names == ('B_1', 'A_1') and expected.frames == {'A_1': 3}
    assert expected.first_boxes['A_1'].tolist() == BOX.tolist()


def test_sequences_of_a_tracking_net_folder(tmp_path: Path) -> None:
    files = {f'frames/v_0/{n}.jpg': '' for n in range(11)}
    write(tmp_path / 'TEST', {'anno/v_0.txt': '10,20,30,40\n', **files})
    for root in (tmp_path, tmp_path / 'TEST'):
        expected = FROM_ANNOTATIONS['trackingnet'](root)
        assert expected.names == ('v_0',) and expected.frames == {'v_0': 11}


def test_tracks_of_an_oxuva_task(tmp_path: Path) -> None:
    write(tmp_path, {'tasks/test.csv': 'v1,o1,0,90,.1,.2,.3,.4\nv2,o1,15,60,.1,.2,.3,.4\n'})
    for root in (tmp_path, tmp_path / 'tasks' / 'test.csv'):
        expected = FROM_ANNOTATIONS['oxuva'](root)
        assert expected.names == TRACKS.names and expected.spans == TRACKS.spans
    box = ',.1,.2,.3,.4\n'
    for rows in ('v2,o1,0\n', f'v1,o1,5,9{box}', *(f'v2,o1,0,{n}{box}' for n in ('nan', '1e300', '-1', 'x'))):
        write(tmp_path, {'tasks/test.csv': f'v1,o1,0,90{box}{rows}'})
        with pytest.raises(DataError, match=r'test\.csv, line 2: expected video,object,init_frame'):
            FROM_ANNOTATIONS['oxuva'](tmp_path)


def test_sequences_of_a_vot_workspace(tmp_path: Path) -> None:
    files = {'ants/groundtruth.txt': '1,2,3,4\n' * 4, 'ants/anchor.value': '1\n0\n0\n-1\n'}
    write(tmp_path / 'sequences', {'list.txt': 'ants\n', **files})
    expected = FROM_ANNOTATIONS['vot'](tmp_path)
    assert expected.names == ('ants',) and expected.frames == {'ants': 4}
    assert np.flatnonzero(expected.anchors['ants']).tolist() == [0, 3]


def test_sequences_of_a_folder_of_boxes(tmp_path: Path) -> None:
    expected = FROM_ANNOTATIONS['plain'](write(tmp_path, {'A_1.txt': ROWS}))
    assert expected.frames == {'A_1': 3} and expected.first_boxes['A_1'].tolist() == BOX.tolist()
