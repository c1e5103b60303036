"""Every benchmark in its official layout: names, frames, boxes, absence, as evaluation reads them."""

from collections.abc import Mapping
from collections.abc import Sequence as Items
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmgtrack.datasets.catalogue import find_data_set, reader_config
from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.annotations.base import BoxTruth
from mmgtrack.evaluation.benchmarks import find_protocol
from mmgtrack.registry import DATASETS

NAN = 'NaN,NaN,NaN,NaN'
_SIZE = 'width=80\nheight=60\n'


def write(root: Path, texts: Mapping[str, str], images: Items[str]) -> Path:
    """Texts by path, and empty files where images belong: a reader opens none that it need not open."""
    for path, text in {**texts, **dict.fromkeys(images, '')}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def numbered(pattern: str, first: int, last: int) -> list[str]:
    return [pattern % number for number in range(first, last + 1)]


def build(name: str, root: Path, **options: Any) -> Any:
    return DATASETS.build({**reader_config(name, root), **options})


@dataclass(frozen=True)
class Case:
    """A small tree of a data set, and what is to be read of one sequence of it.

    frames: first and last path; boxes: (F, 4) x, y, w, h, None for no box; absent: frames without the target.
    """

    data_set: str
    texts: Mapping[str, str]
    images: Items[str]
    sequence: str
    frames: tuple[str, str]
    boxes: Items[Items[float] | None]
    absent: Items[int] = ()


CASES = [
    Case(
        'lasot',
        {
            'airplane/airplane-1/groundtruth.txt': '1,2,30,40\n5,6,7,8\n9,9,9,9\n0,0,0,0\n',
            'airplane/airplane-1/full_occlusion.txt': '0,1,0,0',
            'airplane/airplane-1/out_of_view.txt': '0,0,1,1',
        },
        numbered('airplane/airplane-1/img/%08d.jpg', 1, 4),
        'airplane-1',
        ('airplane/airplane-1/img/00000001.jpg', 'airplane/airplane-1/img/00000004.jpg'),
        [(1, 2, 30, 40), (5, 6, 7, 8), (9, 9, 9, 9), None],
        absent=[1, 2, 3],
    ),
    Case(
        'lasot_ext',
        {
            'atv/atv-1/groundtruth.txt': '1,2,30,40\n',
            'atv/atv-1/full_occlusion.txt': '0',
            'atv/atv-1/out_of_view.txt': '0',
        },
        numbered('atv/atv-1/img/%08d.jpg', 1, 1),
        'atv-1',
        ('atv/atv-1/img/00000001.jpg', 'atv/atv-1/img/00000001.jpg'),
        [(1, 2, 30, 40)],
    ),
    Case(
        'otb2015',
        {'David/groundtruth_rect.txt': '129,80,64,78\n129\t80\t64\t79\n1 2 3 4\n'},
        numbered('David/img/%04d.jpg', 298, 303),
        'David',
        ('David/img/0300.jpg', 'David/img/0302.jpg'),
        [(129, 80, 64, 78), (129, 80, 64, 79), (1, 2, 3, 4)],
    ),
    Case(
        'otb2015',
        {
            'Jogging/groundtruth_rect.1.txt': '1,2,3,4\n',
            'Jogging/groundtruth_rect.2.txt': '5,6,7,8\n9,9,9,9\n',
        },
        numbered('Jogging/img/%04d.jpg', 1, 2),
        'Jogging-2',
        ('Jogging/img/0001.jpg', 'Jogging/img/0002.jpg'),
        [(5, 6, 7, 8), (9, 9, 9, 9)],
    ),
    Case(
        'tb50',
        {'Human4/groundtruth_rect.1.txt': '\n', 'Human4/groundtruth_rect.2.txt': '5,6,7,8\n'},
        numbered('Human4/img/%04d.jpg', 1, 1),
        'Human4-2',
        ('Human4/img/0001.jpg', 'Human4/img/0001.jpg'),
        [(5, 6, 7, 8)],
    ),
    Case(
        'uav123',
        {'anno/UAV123/car1_2.txt': f'1,2,3,4\n{NAN}\n5,6,7,8\n'},
        numbered('data_seq/UAV123/car1/%06d.jpg', 1, 760),
        'car1_2',
        ('data_seq/UAV123/car1/000751.jpg', 'data_seq/UAV123/car1/000753.jpg'),
        [(1, 2, 3, 4), None, (5, 6, 7, 8)],
        absent=[1],
    ),
    Case(
        'uav20l',
        {'anno/UAV20L/car1.txt': f'1,2,3,4\n{NAN}\n'},
        numbered('data_seq/UAV123/car1/%06d.jpg', 1, 3),
        'car1',
        ('data_seq/UAV123/car1/000001.jpg', 'data_seq/UAV123/car1/000002.jpg'),
        [(1, 2, 3, 4), None],
        absent=[1],
    ),
    Case(
        'nfs30',  # three images, but the rows of 240 a second
        {
            'zebra_fish/30/zebra_fish.txt': ''.join(
                f'0 {k} {k + 1} {k + 11} {k + 21} {k} 0 0 0 "fish"\n' for k in range(24)
            )
        },
        numbered('zebra_fish/30/zebra_fish/%05d.jpg', 1, 3),
        'zebra_fish',
        ('zebra_fish/30/zebra_fish/00001.jpg', 'zebra_fish/30/zebra_fish/00003.jpg'),
        [(0, 1, 11, 20), (8, 9, 11, 20), (16, 17, 11, 20)],
    ),
    Case(
        'nfs30',
        {'anno/nfs_zebra_fish.txt': '1\t2\t3\t4\n5\t6\t7\t8\n'},
        numbered('sequences/zebra_fish/%05d.jpg', 1, 3),
        'nfs_zebra_fish',
        ('sequences/zebra_fish/00001.jpg', 'sequences/zebra_fish/00002.jpg'),
        [(1, 2, 3, 4), (5, 6, 7, 8)],
    ),
    Case(
        'nfs240',
        {'zebra_fish/240/zebra_fish.txt': '0 1 2 11 22 0 0 0 0 "fish"\n0 2 3 12 23 1 0 0 0 "fish"\n'},
        numbered('zebra_fish/240/zebra_fish/%05d.jpg', 1, 2),
        'zebra_fish',
        ('zebra_fish/240/zebra_fish/00001.jpg', 'zebra_fish/240/zebra_fish/00002.jpg'),
        [(1, 2, 10, 20), (2, 3, 10, 20)],
    ),
    Case(
        'tcolor128',
        {'Airport_ce/Airport_ce_gt.txt': '1,2,3,4\n5,6,7,8\n', 'Airport_ce/Airport_ce_frames.txt': '3,4'},
        numbered('Airport_ce/img/%04d.jpg', 1, 6),
        'Airport_ce',
        ('Airport_ce/img/0003.jpg', 'Airport_ce/img/0004.jpg'),
        [(1, 2, 3, 4), (5, 6, 7, 8)],
    ),
    Case(
        'dtb70',
        {'Zebra/groundtruth_rect.txt': '1,2,3,4\n5,6,7,8\n'},
        numbered('Zebra/img/%05d.jpg', 1, 2),
        'Zebra',
        ('Zebra/img/00001.jpg', 'Zebra/img/00002.jpg'),
        [(1, 2, 3, 4), (5, 6, 7, 8)],
    ),
    Case(
        'tlp',
        {'Alladin/groundtruth_rect.txt': '1,1,2,3,4,0\n2,5,6,7,8,1\n3,5,6,7,8,0\n'},
        numbered('Alladin/img/%05d.jpg', 1, 3),
        'Alladin',
        ('Alladin/img/00001.jpg', 'Alladin/img/00003.jpg'),
        [(1, 2, 3, 4), (5, 6, 7, 8), (5, 6, 7, 8)],
        absent=[1],
    ),
    Case(
        'tiny_tlp',
        {'Alladin/groundtruth_rect.txt': ''.join(f'{k},1,2,3,4,0\n' for k in range(1, 606))},
        numbered('Alladin/img/%05d.jpg', 1, 605),
        'Alladin',
        ('Alladin/img/00001.jpg', 'Alladin/img/00600.jpg'),
        [(1, 2, 3, 4)] * 600,
    ),
    Case(
        'tnl2k',
        {'Cat_1/groundtruth.txt': '1,2,3,4\n0,0,0,0\n5,6,7,8\n', 'Cat_1/language.txt': 'the cat'},
        ['Cat_1/imgs/2.png', 'Cat_1/imgs/10.png', 'Cat_1/imgs/9.png'],
        'Cat_1',
        ('Cat_1/imgs/2.png', 'Cat_1/imgs/10.png'),
        [(1, 2, 3, 4), None, (5, 6, 7, 8)],
        absent=[1],
    ),
    Case(
        'got10k_val',
        {
            'val/list.txt': 'GOT-10k_Val_000001\n',
            'val/GOT-10k_Val_000001/groundtruth.txt': '1.5000,2,3,4\n5,6,7,8\n',
            'val/GOT-10k_Val_000001/absence.label': '0\n1\n',
            'val/GOT-10k_Val_000001/cover.label': '8\n0\n',
            'val/GOT-10k_Val_000001/meta_info.ini': '[METAINFO]\nresolution: (80, 60)\n',
        },
        numbered('val/GOT-10k_Val_000001/%08d.jpg', 1, 2),
        'GOT-10k_Val_000001',
        ('val/GOT-10k_Val_000001/00000001.jpg', 'val/GOT-10k_Val_000001/00000002.jpg'),
        [(1.5, 2, 3, 4), (5, 6, 7, 8)],
        absent=[1],
    ),
    Case(
        'vot2018',
        {
            'list.txt': 'ants1\n',
            'ants1/sequence': 'channels.color=frames/%06d.png\nfps=30\n' + _SIZE,
            'ants1/groundtruth.txt': '0,0,10,2,12,8,1,6\n1,2,3,4\nnan,nan,nan,nan\n',
        },
        numbered('ants1/frames/%06d.png', 1, 4),
        'ants1',
        ('ants1/frames/000001.png', 'ants1/frames/000003.png'),
        [(0, 0, 12, 8), (1, 2, 3, 4), None],
        absent=[2],
    ),
    Case(
        'vot2020',  # masks
        {
            'list.txt': 'agility\n',
            'agility/sequence': _SIZE,
            'agility/groundtruth.txt': 'm10,20,4,3,5,2,5\n1,2,3,4\n',
        },
        numbered('agility/color/%08d.jpg', 1, 2),
        'agility',
        ('agility/color/00000001.jpg', 'agility/color/00000002.jpg'),
        [(11, 21, 2, 1), (1, 2, 3, 4)],
    ),
    Case(
        'vot2018_longterm',  # a workspace
        {
            'sequences/list.txt': 'ballet\n',
            'sequences/ballet/sequence': _SIZE,
            'sequences/ballet/groundtruth.txt': '1,2,3,4\nnan,nan,nan,nan\n',
        },
        numbered('sequences/ballet/color/%08d.jpg', 1, 2),
        'ballet',
        ('sequences/ballet/color/00000001.jpg', 'sequences/ballet/color/00000002.jpg'),
        [(1, 2, 3, 4), None],
        absent=[1],
    ),
    Case(
        'vot_longterm',  # images beside the annotation, as until 2018
        {
            'list.txt': 'b\n',
            'b/sequence': _SIZE,
            'b/groundtruth.txt': '1,2,3,4\n',
            'a/groundtruth.txt': '1,2,3,4\n',
        },
        numbered('b/%08d.jpg', 1, 1),
        'b',
        ('b/00000001.jpg', 'b/00000001.jpg'),
        [(1, 2, 3, 4)],
    ),
]

cases = pytest.mark.parametrize('case', CASES, ids=lambda case: f'{case.data_set}-{case.sequence}')


@cases
def test_official_layout(tmp_path: Path, case: Case) -> None:
    write(tmp_path, case.texts, case.images)
    reader = build(
        case.data_set, tmp_path, **({'sequences': [case.sequence]} if 'got10k' not in case.data_set else {})
    )
    sequence = reader[0]
    assert [reader.names[0]] == reader.names == [sequence.name]
    assert (sequence.frame_paths[0], sequence.frame_paths[-1]) == tuple(
        f'{tmp_path}/{f}' for f in case.frames
    )
    assert len(sequence) == len(case.boxes) == reader.num_frames(0)
    expected = [
        (np.nan,) * 4 if box is None else (*box[:2], box[0] + box[2], box[1] + box[3]) for box in case.boxes
    ]
    np.testing.assert_array_equal(sequence.boxes[:, 0], np.array(expected, np.float32))
    absent = np.isin(np.arange(len(sequence)), case.absent)
    assert (sequence.present[:, 0] == ~absent).all() and sequence.labelled.all()


@pytest.mark.parametrize(
    'case',
    [c for c in CASES if find_data_set(c.data_set).protocol and c.data_set != 'vot2020'],
    ids=lambda c: f'{c.data_set}-{c.sequence}',
)
def test_evaluation_reads_the_same_boxes(tmp_path: Path, case: Case) -> None:
    write(tmp_path, case.texts, case.images)
    protocol = find_data_set(case.data_set).protocol
    assert protocol is not None
    sequence = build(case.data_set, tmp_path)[build(case.data_set, tmp_path).names.index(_listed(case))]
    truth = find_protocol(protocol).benchmark.annotations(tmp_path).read(_listed(case))
    boxes = truth.boxes if isinstance(truth, BoxTruth) else truth.regions.boxes
    mine = np.concatenate(
        [sequence.boxes[:, 0, :2], np.diff(sequence.boxes[:, 0].reshape(-1, 2, 2), axis=1)[:, 0]], 1
    )
    known = np.isfinite(mine).all(1) & np.isfinite(boxes).all(1)
    np.testing.assert_allclose(mine[known], boxes[known], rtol=1e-6)
    if isinstance(truth, BoxTruth) and truth.absent is not None:
        assert (sequence.present[:, 0] == ~truth.absent).all()


def _listed(case: Case) -> str:
    return case.sequence.removeprefix('nfs_')


@pytest.mark.parametrize(
    'name, texts, images, message',
    [
        (
            'dtb70',
            {'A/groundtruth_rect.txt': '1,2,3,4\n' * 3},
            ['A/img/00001.jpg'],
            'should have 3 frames, but 00003',
        ),
        (
            'dtb70',
            {'A/groundtruth_rect.txt': '1,2,3,4\n'},
            ['A/img/2.txt'],
            r'should have 1 frames, but 00001\.jpg',
        ),
        (
            'dtb70',
            {'A/groundtruth_rect.txt': '1,2,3\n'},
            [],
            r'groundtruth_rect\.txt, line 1: expected 4 numbers',
        ),
        ('dtb70', {'A/groundtruth_rect.txt': ''}, [], r'groundtruth_rect\.txt is empty'),
        ('tlp', {'A/groundtruth_rect.txt': '1,1,2,3,4\n'}, [], 'line 1: expected 6 numbers'),
        (
            'tnl2k',
            {'A/groundtruth.txt': '1,2,3,4\n' * 3},
            ['A/imgs/1.png'],
            r'imgs has 1 images for the 3 rows of',
        ),
        ('tnl2k', {'A/groundtruth.txt': '1,2,3,4\n'}, ['A/imgs/notes.txt'], 'imgs holds no image'),
        (
            'nfs30',
            {'A/30/A.txt': '0 1 2 3 4 0 0 0 0 "a"\n' * 5},
            ['A/30/A/1.jpg'],
            'has 5 boxes for 1 images',
        ),
        (
            'tcolor128',
            {'A/A_gt.txt': '1,2,3,4\n', 'A/A_frames.txt': '1,2'},
            [],
            'images 1,2 do not fit the 1 rows',
        ),
        ('tcolor128', {'A/A_gt.txt': '1,2,3,4\n', 'A/A_frames.txt': 'x'}, [], r'A_frames\.txt, line 1'),
        ('vot2018', {'A/groundtruth.txt': 'm0,0,1,1,2\n'}, [], 'line 1: expected mx,y,w,h,runs'),
    ],
)
def test_broken_sequences(
    tmp_path: Path, name: str, texts: Mapping[str, str], images: Items[str], message: str
) -> None:
    reader = build(name, write(tmp_path, texts, images), sequences='all')
    with pytest.raises(DataError, match=message):
        reader[0]


def test_sequences_of_one_recording_say_so(tmp_path: Path) -> None:
    texts = {f'anno/UAV123/{name}.txt': '1,2,3,4\n' for name in ('car1_1', 'car1_2', 'bike1')}
    images = ['car1/000001.jpg', 'car1/000751.jpg', 'bike1/000001.jpg']
    write(tmp_path, texts, [f'data_seq/UAV123/{image}' for image in images])
    bike, car, later = build('uav123', tmp_path, sequences='all')
    assert car.shares_video(later) and not car.shares_video(bike)


def test_a_listed_sequence_that_is_not_there_says_so_when_it_is_read(tmp_path: Path) -> None:
    write(tmp_path, {'Zebra/groundtruth_rect.txt': '1,2,3,4\n'}, ['Zebra/img/00001.jpg'])
    reader = build('dtb70', tmp_path)
    assert len(reader) == 70 and reader.names[-1] == 'Zebra'
    assert [reader.num_frames(index) for index in (0, 69)] == [0, 1]
    with pytest.raises(DataError, match=r'Animal1/groundtruth_rect\.txt'):
        reader[0]
    assert build('dtb70', tmp_path, sequences='all').names == ['Zebra']


def test_training_set_of_lasot_is_what_the_test_list_lacks(tmp_path: Path) -> None:
    for name in ('cup-2', 'airplane-1', 'airplane-2', 'airplane-10'):
        write(tmp_path, {f'{name.partition("-")[0]}/{name}/groundtruth.txt': '1,2,3,4\n'}, [])
    assert build('lasot_train', tmp_path).names == ['airplane-2', 'airplane-10', 'cup-2']


@pytest.mark.parametrize(
    'options, error, message',
    [
        (dict(sequences=['Zebr']), DataError, 'did you mean Zebra'),
        (dict(sequences='some'), DataError, "'all' or a list of names, got 'some'"),
        (dict(layout='dbt70'), InputError, "no layout 'dbt70'; did you mean dtb70"),
        (dict(table='dtb71'), DataError, "no list of sequences 'dtb71'"),
    ],
)
def test_wrong_options(tmp_path: Path, options: Any, error: type[Exception], message: str) -> None:
    write(tmp_path, {'Zebra/groundtruth_rect.txt': '1,2,3,4\n'}, [])
    with pytest.raises(error, match=message):
        build('dtb70', tmp_path, **options)


def test_other_names_of_programs_are_understood(tmp_path: Path) -> None:
    write(tmp_path, {'Jogging/groundtruth_rect.1.txt': '1,2,3,4\n'}, ['Jogging/img/0001.jpg'])
    for written in ('Jogging.1', 'jogging-1', 'Jogging_1'):
        assert build('otb2015', tmp_path, sequences=[written]).names == ['Jogging-1']


@pytest.mark.parametrize('typo', ['lasto', 'lasots', 'LaSOT'])
def test_a_root_a_typo_away(tmp_path: Path, typo: str) -> None:
    write(tmp_path / 'data/lasot', {'a/a-1/groundtruth.txt': '1,2,3,4\n'}, [])
    with pytest.raises(DataError, match=rf'{typo} is no folder: did you mean .*data/lasot\?'):
        build('lasot', tmp_path / 'data' / typo)
    with pytest.raises(DataError, match=r'did you mean .*/data/lasot\?'):
        build('got10k_val', tmp_path / 'dat' / 'lasot')


def test_a_root_that_is_a_file_or_nowhere(tmp_path: Path) -> None:
    (tmp_path / 'lasot').write_text('')
    with pytest.raises(DataError, match='is no folder, but a file'):
        build('lasot', tmp_path / 'lasot')
    with pytest.raises(DataError, match='is no folder: is that where the data lie'):
        build('lasot', tmp_path / 'x' / 'y' / 'z')
    with pytest.raises(DataError, match=r'holds no sequence: expected files such as .*groundtruth_rect'):
        build('otb2015', tmp_path)
