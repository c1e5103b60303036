"""OxUvA's labels."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.oxuva import OxuvaAnnotations
from mmgtrack.formats.oxuva_labels import FIELDS

from .trees import write_tree

HEAD = '1,person,false,false'
ROWS = (
    f'v9,a,{HEAD},60,present,0.1,0.3,0.2,0.4\n'
    f'v9,a,{HEAD},30,absent,,,,\n'
    f'v1,b,{HEAD},0,present,0,1,0,1\n'
    f'v9,b,{HEAD},0,present,0,1,0,1\n'
)


def annotations(folder: Path, text: str = ROWS) -> OxuvaAnnotations:
    path = folder / 'annotations' / 'dev.csv'
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return OxuvaAnnotations(folder)


@pytest.mark.parametrize('header', ['', ','.join(FIELDS) + '\n'])
def test_tracks_in_the_order_of_the_file(tmp_path: Path, header: str) -> None:
    found = annotations(tmp_path, header + ROWS)
    assert found.names == ('v9_a', 'v1_b', 'v9_b')
    truth = found.read('v9_a')
    assert (truth.video, truth.object) == ('v9', 'a')
    np.testing.assert_array_equal(truth.frames, [30, 60])
    np.testing.assert_array_equal(truth.present, [False, True])
    np.testing.assert_array_equal(truth.boxes, [[np.nan] * 4, [0.1, 0.2, 0.3, 0.4]])  # x1, y1, x2, y2
    assert OxuvaAnnotations(tmp_path / 'annotations' / 'dev.csv').names == found.names


@pytest.mark.parametrize(
    ('row', 'message'),
    [
        (f'v9,a,{HEAD},60,hidden,0,1,0,1', "object_presence 'hidden'"),
        (f'v9,a,{HEAD},60,present,0,1,0', '11 columns'),
        (f'v9,a,{HEAD},60,present,0,1,0,word', "'word' where a number belongs"),
        (f'v9,a,{HEAD},60,present,0,1,0,inf', "'inf' where a number belongs"),
        (f'v9,a,{HEAD},60,present,0,1,0,nan', 'the box'),
        (f'v9,a,{HEAD},30,absent,,,,', 'frame 30 of v9,a a second time'),
        (
            f'v9_a,b,{HEAD},0,absent,,,,\nv9,a_b,{HEAD},30,absent,,,,',
            'v9,a_b, whose name is also that of v9_a,b',
        ),
        *((f'v9,a,{HEAD},{n},absent,,,,', f'{n!r} where a whole') for n in ('6.5', '-1', '1e300', '9' * 19)),
        (f'v9,a,{HEAD},60,absent,,,,{"1" * 200_000}', 'field larger than field limit'),
    ],
)
def test_refused_rows(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(DataError, match=r'dev\.csv, line [56]: expected video,object') as error:
        annotations(tmp_path, ROWS + row).names  # noqa: B018  (reads the file)
    assert message in str(error.value)


def test_in_an_archive(tmp_path: Path) -> None:
    found = OxuvaAnnotations(write_tree(tmp_path, {'annotations/dev.csv': ROWS}, zipped=True))
    assert found.names == ('v9_a', 'v1_b', 'v9_b')
    (tmp_path / 'other').mkdir()
    with pytest.raises(DataError, match=r'tree\.zip holds no annotations/dev\.csv'):
        OxuvaAnnotations(write_tree(tmp_path / 'other', {'dev.csv': ROWS}, zipped=True))


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'holds no annotations/dev\.csv'):
        OxuvaAnnotations(tmp_path)
    with pytest.raises(DataError, match='no track v2_c'):
        annotations(tmp_path).read('v2_c')
    with pytest.raises(DataError, match='is empty'):
        annotations(tmp_path, '').names  # noqa: B018  (reads the file)
