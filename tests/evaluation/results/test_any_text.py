"""Whatever stands in a file: rows or a DataError, never another exception, and no warning."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.got10k import GOT10k
from mmgtrack.evaluation.annotations.lasot import LaSOT
from mmgtrack.evaluation.annotations.mot import MotAnnotations
from mmgtrack.evaluation.annotations.nfs import NfS
from mmgtrack.evaluation.annotations.oxuva import OxuvaAnnotations
from mmgtrack.evaluation.annotations.plain import Flat, TColor128
from mmgtrack.evaluation.annotations.tlp import TLP
from mmgtrack.evaluation.annotations.vot import VotAnnotations
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.mot import parse_mot
from mmgtrack.evaluation.results.oxuva import parse_predictions
from mmgtrack.evaluation.results.proposals import parse_proposals
from mmgtrack.evaluation.results.vot import read_trajectory
from mmgtrack.evaluation.submissions import listed_sequences
from mmgtrack.formats.frame_numbers import LAST_FRAME
from mmgtrack.formats.track_csv import HEADER, parse_track_csv
from mmgtrack.formats.vot_regions import parse_binary_regions, parse_regions

BOXES = '1,2,3,4\n5,6,7,8.5\n'
PREDICTIONS = 'vid,obj,30,true,0.5,0.1,0.3,0.2,0.4\nvid,obj,60,false,-1,,,,\n'
LABEL = 'v9,a,1,person,false,false'
# what a slip of the hand, a spreadsheet or a stranger puts in the place of a number
PIECES = (
    *('', ' ', ',', ',,', ';', '\t', '\n', '\r', '\r\n', '\x00', '\x0b', '\x85', '"', "'", '#', '\ufeff'),
    *(
        '-1',
        '0',
        '1',
        '1.5',
        '1_0',
        '1e300',
        '-1e300',
        '1e999',
        '9999999999999999999',
        '9' * 5000,
        '10000001',
    ),
    *('nan', 'inf', '-inf', 'true', 'present', 'x', '\u0661', '\ud800', 'm1,2', '=', '[', '%', '%(a)s'),
)
QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def broken(text: str) -> st.SearchStrategy[str]:
    """The text with up to three parts of it replaced, or any other text."""
    places = st.tuples(st.integers(0, len(text)), st.integers(0, 4), st.sampled_from(PIECES))

    def replaced(changes: list[tuple[int, int, str]]) -> str:
        found = text
        for start, length, piece in changes:
            found = found[:start] + piece + found[start + length :]
        return found

    return st.one_of(st.lists(places, max_size=3).map(replaced), st.text(max_size=60))


def frames_are_sound(frames: np.ndarray, first: int) -> None:
    assert frames.dtype == np.int64 and ((frames >= first) & (frames <= LAST_FRAME)).all()


def mot(text: str) -> None:
    rows = parse_mot(text, 'f')
    frames_are_sound(rows.frames, 1)
    assert rows.boxes.shape == (len(rows.ids), 4) and np.isfinite(rows.boxes).all()


def proposals(text: str) -> None:
    found = parse_proposals(text, 'f')
    frames_are_sound(found.frames, 0)
    assert found.boxes.shape == (len(found.scores), 4) and np.isfinite(found.boxes).all()


def predictions(text: str) -> None:
    found = parse_predictions(text, 'f', 'vid', 'obj')
    frames_are_sound(found.frames, 0)
    assert (np.diff(found.frames) > 0).all()
    assert (np.isfinite(found.boxes).all(axis=1) == found.present).all()


def track_csv(text: str) -> None:
    track = parse_track_csv(text, 'f')
    assert track.boxes.shape == (len(track.scores), 4) and len(track.present) == len(track.scores)


def regions(text: str) -> None:
    found = parse_regions(text, 'f')
    assert len(found.codes) == len(found.boxes) and np.isin(found.codes, (-1, 0, 1, 2)).all()


@pytest.mark.parametrize(
    'parse, text',
    [
        (mot, '1,7,1.5,2,3,4,1,-1,-1,-1\n2,7,1,2,3,4,1,-1,-1,-1\n'),
        (proposals, '1,1,2,3,4,0.5\n2,1,2,3,4,0.5\n'),
        (predictions, PREDICTIONS),
        (track_csv, f'{HEADER}\n0,1,2,3,4,1.0000,1\n1,1,2,3,4,0.5,0\n'),
        (regions, '1\n1,2,3,4\n1,1,9,1,9,8\n0\n'),
    ],
)
@QUIET
@given(data=st.data())
def test_parsers(parse: Callable[[str], None], text: str, data: st.DataObject) -> None:
    refuses_or_reads(lambda: parse(data.draw(broken(text))))


@QUIET
@given(st.binary(max_size=60), st.binary(max_size=12))
def test_binary_regions(content: bytes, rest: bytes) -> None:
    for data in (content, b'\x01\x00\x02\x00\x00\x00' + content, b'\x01\x00\x01\x00\x00\x00\x01' + rest):
        refuses_or_reads(lambda data=data: parse_binary_regions(data, 'f'))  # type: ignore[misc]


@pytest.mark.parametrize('kind', ['confidence', 'time'])
@QUIET
@given(text=broken('\n0.5\n0.25\n'))
def test_value_files(kind: str, text: str, tmp_path: Path) -> None:
    write(tmp_path, {'car_001.txt': '1\n0\n0\n', f'car_001_{kind}.value': text})
    results = ResultFiles(tmp_path)
    refuses_or_reads(lambda: read_trajectory(results, 'car', 'car_001', 'longterm'))


GOT = {'a/groundtruth.txt': BOXES, 'a/absence.label': '0\n1\n', 'a/cover.label': '8\n0\n'}
GOT['a/meta_info.ini'] = 'resolution: (320, 240)\n'
LASOT = {'a/groundtruth.txt': BOXES, 'a/full_occlusion.txt': '0,1', 'a/out_of_view.txt': '0,0'}
VOT = {'list.txt': 'a\n', 'a/groundtruth.txt': '1,2,3,4\n0\n', 'a/sequence': 'length=3\nwidth=9\nheight=9\n'}
VOT |= {'a/anchor.value': '1\n0\n', 'a/fast.tag': '0\n1\n'}


@pytest.mark.parametrize(
    'reader, files, name',
    [
        *((GOT10k, GOT, name) for name in GOT),
        *((LaSOT, LASOT, name) for name in LASOT),
        *((VotAnnotations, VOT, name) for name in VOT if name != 'list.txt'),
        (Flat, {'a.txt': BOXES, 'a_visible.txt': '1\n0\n'}, 'a_visible.txt'),
        (TColor128, {'a/a_gt.txt': BOXES, 'a/a_frames.txt': '5,6'}, 'a/a_frames.txt'),
        (TLP, {'a/groundtruth_rect.txt': '1,1,2,3,4,0\n'}, 'a/groundtruth_rect.txt'),
        (NfS, {'a/30/a.txt': '0 1 2 3 4 0 0 0 0 "car"\n'}, 'a/30/a.txt'),
        (MotAnnotations, {'a/gt/gt.txt': '1,1,1,2,3,4,1\n', 'a/seqinfo.ini': ''}, 'a/gt/gt.txt'),
        (
            MotAnnotations,
            {'a/gt/gt.txt': '1,1,1,2,3,4,1\n', 'a/seqinfo.ini': '[Sequence]\nseqLength=9\n'},
            'a/seqinfo.ini',
        ),
        (
            OxuvaAnnotations,
            {'annotations/dev.csv': f'{LABEL},0,present,0,1,0,1\n{LABEL},30,absent,,,,\n'},
            'annotations/dev.csv',
        ),
    ],
)
@settings(QUIET, max_examples=40)
@given(data=st.data())
def test_annotations(
    reader: type, files: dict[str, str], name: str, data: st.DataObject, tmp_path: Path
) -> None:
    write(tmp_path, {**files, name: data.draw(broken(files[name]))})

    def read_all() -> None:
        annotations = reader(tmp_path)
        for sequence in annotations.names:
            annotations.read(sequence)

    refuses_or_reads(read_all)


@pytest.mark.parametrize('text', ['a\nb\n', 'a,3\n\nb 4\n'])
@QUIET
@given(data=st.data())
def test_lists(text: str, data: st.DataObject, tmp_path: Path) -> None:
    write(tmp_path, {'list.txt': data.draw(broken(text))})
    refuses_or_reads(lambda: listed_sequences(tmp_path / 'list.txt'))


def refuses_or_reads(call: Callable[[], object]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        try:
            call()
        except DataError as error:
            assert '\n' not in str(error)


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode('utf-8', 'surrogatepass'))
