"""LaSOT and GOT-10k in their official layouts: names, frames, absence, filters, errors."""

from collections.abc import Sequence as Items
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mmgtrack.datasets import GOT10k, LaSOT, read_frame
from mmgtrack.errors import DataError

SIZE = (60, 80)


def write_frames(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        cv2.imwrite(str(folder / f'{number:08d}.jpg'), np.full((*SIZE, 3), 9 * number, np.uint8))


def write_lasot(root: Path, name: str, rows: Items[str], occluded: str = '', out: str = '') -> Path:
    """A sequence of LaSOT; flags default to 0 for every frame."""
    folder = root / name.rpartition('-')[0] / name
    write_frames(folder / 'img', len(rows))
    (folder / 'groundtruth.txt').write_text('\n'.join(rows) + '\n')
    nothing = ','.join('0' * len(rows))
    (folder / 'full_occlusion.txt').write_text(occluded or nothing)
    (folder / 'out_of_view.txt').write_text(out or nothing)
    (folder / 'nlp.txt').write_text('a thing that moves')
    return folder


def write_got10k(root: Path, name: str, rows: Items[str], split: str = 'train', **labels: Items[int]) -> Path:
    """A sequence of GOT-10k; absence defaults to 0 and cover to 8 for every frame."""
    folder = root / split / name
    count = len(rows)
    write_frames(folder, count)
    (folder / 'groundtruth.txt').write_text('\n'.join(rows[:1] if split == 'test' else rows) + '\n')
    if split != 'test':
        values = {'absence': [0] * count, 'cover': [8] * count, 'cut_by_image': [0] * count, **labels}
        for kind, column in values.items():
            (folder / f'{kind}.label').write_text('\n'.join(map(str, column)) + '\n')
    text = f'[METAINFO]\nobject_class: goat\nresolution: ({SIZE[1]}, {SIZE[0]})\n'
    (folder / 'meta_info.ini').write_text(text)
    with (root / split / 'list.txt').open('a') as listing:
        listing.write(f'{name}\n')
    return folder


def test_lasot_reads_boxes_as_written_and_both_kinds_of_absence(tmp_path: Path) -> None:
    rows = ['1,2,30,40', '5,6,7,8', '5,6,7,8', '0,0,0,0']
    folder = write_lasot(tmp_path, 'cup-3', rows, occluded='0,1,0,0', out='0,0,1,0')
    sequence = LaSOT(str(tmp_path))[0]
    assert sequence.name == 'cup-3'
    assert sequence.frame_paths[3] == str(folder / 'img' / '00000004.jpg')
    assert read_frame(sequence.frame_paths[0]).shape == (*SIZE, 3)
    np.testing.assert_array_equal(sequence.boxes[0, 0], [1, 2, 31, 42])
    assert sequence.present[:, 0].tolist() == [True, False, False, False]
    assert sequence.labelled.all()
    # annotated boxes of hidden targets stay: a dynamic template may show one
    assert sequence.boxes[1:3, 0].tolist() == [[5, 6, 12, 14]] * 2 and np.isnan(sequence.boxes[3]).all()


def test_lasot_absence_can_be_left_out_as_in_official_training(tmp_path: Path) -> None:
    folder = write_lasot(tmp_path, 'cup-3', ['1,2,3,4', '5,6,7,8', '0,0,0,0'], occluded='0,1,1')
    (folder / 'out_of_view.txt').unlink()
    sequence = LaSOT(str(tmp_path), use_absence=False)[0]
    assert sequence.present[:, 0].tolist() == [True, True, False]
    assert sequence.boxes[1, 0].tolist() == [5, 6, 12, 14]


def test_lasot_names_there_are_in_the_order_of_class_and_number(tmp_path: Path) -> None:
    for name in ('cup-10', 'cup-2', 'ant-7'):
        write_lasot(tmp_path, name, ['1,2,3,4'])
    (tmp_path / 'cup' / 'notes').mkdir()
    (tmp_path / 'cup' / 'dog-1').mkdir()
    assert LaSOT(str(tmp_path)).names == ['ant-7', 'cup-2', 'cup-10']


def test_lasot_list_decides_and_opening_reads_nothing_else(tmp_path: Path) -> None:
    write_lasot(tmp_path, 'cup-2', ['1,2,3,4'])
    (tmp_path / 'testing_set.txt').write_text('cup-2\r\nnot_there-1\r\n')
    reader = LaSOT(str(tmp_path), list_file='testing_set.txt')
    assert reader.names == ['cup-2', 'not_there-1']
    assert len(reader[0]) == 1
    with pytest.raises(DataError, match=r'not_there-1.groundtruth\.txt'):
        reader[1]


def test_images_past_the_rows_do_not_count(tmp_path: Path) -> None:
    folder = write_lasot(tmp_path, 'monkey-17', ['1,2,3,4', '1,2,3,4'])
    cv2.imwrite(str(folder / 'img' / '00000003.jpg'), np.zeros((*SIZE, 3), np.uint8))
    assert len(LaSOT(str(tmp_path))[0]) == 2


def test_got10k_reads_the_listed_sequences(tmp_path: Path) -> None:
    write_got10k(tmp_path, 'GOT-10k_Train_000002', ['1.5000,2.2500,30.0000,40.0000'] * 3, absence=[0, 0, 1])
    write_got10k(tmp_path, 'GOT-10k_Train_000001', ['1,2,3,4'])
    reader = GOT10k(str(tmp_path))
    assert reader.names == ['GOT-10k_Train_000002', 'GOT-10k_Train_000001']
    sequence = reader[0]
    assert sequence.frame_paths[0].endswith('train/GOT-10k_Train_000002/00000001.jpg')
    assert sequence.boxes[0, 0].tolist() == [1.5, 2.25, 31.5, 42.25]
    assert sequence.present[:, 0].tolist() == [True, True, False]


def test_got10k_target_without_cover_is_absent_and_keeps_its_box(tmp_path: Path) -> None:
    write_got10k(tmp_path, 'a', ['1,2,3,4'] * 3 + ['0,0,0,0'], cover=[8, 0, 1, 8], absence=[0, 0, 1, 0])
    sequence = GOT10k(str(tmp_path))[0]
    assert sequence.present[:, 0].tolist() == [True, False, False, False]
    assert sequence.labelled.all()
    assert np.isfinite(sequence.boxes).all(-1)[:, 0].tolist() == [True, True, True, False]


@pytest.mark.parametrize('lines', ['c\na\n', '2\n0\n', '2\r\na'], ids=['names', 'positions', 'both'])
def test_got10k_list_chooses_among_the_split(tmp_path: Path, lines: str) -> None:
    for name in 'abc':
        write_got10k(tmp_path, name, ['1,2,3,4'])
    (tmp_path / 'chosen.txt').write_text(lines)
    reader = GOT10k(str(tmp_path), list_file='chosen.txt')
    assert reader.names == ['c', 'a'] and reader[0].frame_paths[0].endswith('train/c/00000001.jpg')


def test_got10k_list_with_a_strange_name(tmp_path: Path) -> None:
    write_got10k(tmp_path, 'a', ['1,2,3,4'])
    (tmp_path / 'chosen.txt').write_text('a\n1\n')
    with pytest.raises(DataError, match=r"chosen\.txt lists '1', which is none of the 1 sequences"):
        GOT10k(str(tmp_path), list_file='chosen.txt')


def test_got10k_test_boxes_are_unknown_but_for_the_first(tmp_path: Path) -> None:
    write_got10k(tmp_path, 'GOT-10k_Test_000001', ['1,2,3,4'] * 5, split='test')
    sequence = GOT10k(str(tmp_path), split='test')[0]
    assert len(sequence) == 5
    assert sequence.present[:, 0].tolist() == sequence.labelled[:, 0].tolist() == [True] + [False] * 4
    assert sequence.boxes[0, 0].tolist() == [1, 2, 4, 6]


def test_unfit_frames_are_unlabelled_and_absent_ones_stay_absent(tmp_path: Path) -> None:
    rows = ['1,2,30,40', '1,2,30,9', '1,2,30,40', '0,0,0,0', '1,2,30,9']
    write_got10k(tmp_path, 'a', rows, cover=[8, 8, 2, 0, 8], absence=[0, 0, 0, 1, 1])
    write_lasot(tmp_path / 'lasot', 'cup-1', rows)
    rules: dict[str, Any] = dict(sides=(10, 960), min_cover=(1, 0.3))
    got10k = GOT10k(str(tmp_path), frame_filter=rules)[0]
    assert got10k.present[:, 0].tolist() == [True, False, False, False, False]
    assert got10k.labelled[:, 0].tolist() == [True, False, False, True, True]
    lasot = LaSOT(str(tmp_path / 'lasot'), frame_filter=rules)[0]
    assert lasot.present[:, 0].tolist() == [True, False, True, False, False]


@pytest.mark.parametrize('benchmark', ['lasot', 'got10k'])
def test_shares_are_of_the_stored_image(tmp_path: Path, benchmark: str) -> None:
    rows = ['1,2,30,40', '1,2,61,20', '1,2,20,46']  # of 80x60: 0.75 is 60x45
    if benchmark == 'lasot':
        write_lasot(tmp_path, 'cup-1', rows)
    else:
        write_got10k(tmp_path, 'a', rows)
    kind = dict(lasot=LaSOT, got10k=GOT10k)[benchmark]
    sequence = kind(str(tmp_path), frame_filter=dict(shares=(0.01, 0.75)))[0]
    assert sequence.present[:, 0].tolist() == [True, False, False]


def test_cache_is_bounded(tmp_path: Path) -> None:
    for number in (1, 2):
        write_lasot(tmp_path, f'cup-{number}', ['1,2,3,4'])
    reader = LaSOT(str(tmp_path), cache_size=1)
    first = reader[0]
    assert reader[0] is first and reader[-1].name == 'cup-2' and reader[0] is not first


@pytest.mark.parametrize(
    'damage, message',
    [
        (lambda f: (f / 'out_of_view.txt').unlink(), r'out_of_view\.txt'),
        (lambda f: (f / 'out_of_view.txt').write_text('0'), r'out_of_view\.txt has 1 values for 2 frames'),
        (
            lambda f: (f / 'full_occlusion.txt').write_text('0,3'),
            r'full_occlusion\.txt, line 1: expected 0 or 1',
        ),
        (
            lambda f: (f / 'groundtruth.txt').write_text('1,2,3'),
            r'groundtruth\.txt, line 1: expected 4 numbers',
        ),
        (lambda f: (f / 'groundtruth.txt').write_text(''), r'groundtruth\.txt is empty'),
        (lambda f: (f / 'img/00000002.jpg').unlink(), r'should have 2 frames, but 00000002\.jpg is missing'),
    ],
)
def test_lasot_errors_name_the_file(tmp_path: Path, damage: Any, message: str) -> None:
    damage(write_lasot(tmp_path, 'cup-1', ['1,2,3,4'] * 2))
    with pytest.raises(DataError, match=message):
        LaSOT(str(tmp_path))[0]


@pytest.mark.parametrize(
    'damage, message',
    [
        (lambda f: (f / 'cover.label').write_text('8\nx'), r'cover\.label, line 2: expected numbers'),
        (lambda f: (f / 'cover.label').write_text('8'), r'cover\.label has 1 values for 2 frames'),
        (lambda f: (f / 'meta_info.ini').write_text('[METAINFO]'), r'meta_info\.ini has no line "resolution'),
        (lambda f: (f / 'meta_info.ini').unlink(), r'cannot read .*meta_info\.ini'),
    ],
)
def test_got10k_errors_name_the_file(tmp_path: Path, damage: Any, message: str) -> None:
    damage(write_got10k(tmp_path, 'a', ['1,2,3,4'] * 2))
    with pytest.raises(DataError, match=message):
        GOT10k(str(tmp_path), frame_filter={})[0]


def test_missing_things(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='nowhere is no folder: is that where the data lie'):
        LaSOT(str(tmp_path / 'nowhere'))
    with pytest.raises(DataError, match=r'holds no sequence: expected files such as .*/<folder>/<sequence>/'):
        LaSOT(str(tmp_path))
    with pytest.raises(DataError, match=r'cannot read .*training_set\.txt'):
        LaSOT(str(tmp_path), list_file='training_set.txt')
    with pytest.raises(DataError, match=r'cannot read .*val.list\.txt'):
        GOT10k(str(tmp_path), split='val')
    with pytest.raises(DataError, match="'train', 'val' or 'test'"):
        GOT10k(str(tmp_path), split='training')  # type: ignore[arg-type]
    (tmp_path / 'empty.txt').write_text('\n')
    with pytest.raises(DataError, match='lists no sequence'):
        LaSOT(str(tmp_path), list_file='empty.txt')
