"""Benchmarks of boxes alone: every layout, as folder and as archive."""

from pathlib import Path

import numpy as np
import pytest

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.boxes import BoxAnnotations
from mmgtrack.evaluation.annotations.lasot import LaSOT
from mmgtrack.evaluation.annotations.nfs import NfS
from mmgtrack.evaluation.annotations.otb import OTB
from mmgtrack.evaluation.annotations.plain import DTB70, UAV20L, UAV123, Flat, TColor128, TrackingNet
from mmgtrack.evaluation.annotations.tlp import TLP

from .trees import ROWS, write_tree


@pytest.mark.parametrize('zipped', [False, True])
@pytest.mark.parametrize(
    'reader, layout',
    [
        (UAV123, 'anno/UAV123/{}.txt'),
        (UAV123, 'UAV123/{}.txt'),
        (UAV123, '{}.txt'),
        (UAV20L, 'anno/UAV20L/{}.txt'),
        (DTB70, '{}/groundtruth_rect.txt'),
        (TrackingNet, 'TEST/anno/{}.txt'),
        (TrackingNet, 'anno/{}.txt'),
        (TrackingNet, '{}.txt'),
        (Flat, 'anno/{}.txt'),
        (Flat, '{}.txt'),
        (OTB, '{}/groundtruth_rect.txt'),
        (NfS, 'anno/nfs_{}.txt'),
    ],
)
def test_every_layout(reader: type[BoxAnnotations], layout: str, zipped: bool, tmp_path: Path) -> None:
    files = {layout.format(name): ROWS for name in ('b_2', 'a-1')}
    root = write_tree(tmp_path, {**files, '__MACOSX/._a-1.txt': '?', '.hidden/a.txt': '?'}, zipped)
    annotations = reader(root)
    assert annotations.names == ('a-1', 'b_2')
    truth = annotations.read('b_2')
    np.testing.assert_array_equal(truth.boxes, [[10, 20, 30, 40], [11, 21, 31, 41], [12, 22, 32, 42]])
    assert truth.boxes.dtype == np.float64
    assert (truth.name, truth.absent) == ('b_2', None)


def test_uav_takes_its_own_folder_and_keeps_nan(tmp_path: Path) -> None:
    write_tree(tmp_path, {'anno/UAV123/a.txt': '1,2,3,4\nNaN,NaN,NaN,NaN\n', 'anno/UAV20L/b.txt': ROWS})
    assert UAV123(tmp_path).names == ('a',)
    assert UAV20L(tmp_path / 'anno').names == ('b',)
    assert np.isnan(UAV123(tmp_path).read('a').boxes[1]).all()


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    annotations = DTB70(write_tree(tmp_path, {'a/groundtruth_rect.txt': 'broken', 'a/img/1.jpg': ''}))
    assert annotations.names == ('a',)
    with pytest.raises(DataError, match=r'a/groundtruth_rect\.txt, line 1'):
        annotations.read('a')


@pytest.mark.parametrize('reader', [LaSOT, OTB, UAV123, NfS, TColor128, DTB70, TLP, TrackingNet, Flat])
def test_an_empty_folder_is_told_what_belongs_there(reader: type[BoxAnnotations], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'holds no annotations of .*: expected .*<sequence>'):
        reader(tmp_path)


def test_missing_root_and_unknown_sequence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='does not exist'):
        DTB70(tmp_path / 'nowhere')
    write_tree(tmp_path, {'Horse1/groundtruth_rect.txt': ROWS})
    with pytest.raises(DataError, match=r"no annotations of 'Horse2'.*did you mean Horse1"):
        DTB70(tmp_path).read('Horse2')


def test_one_name_in_two_folders(tmp_path: Path) -> None:
    write_tree(tmp_path, {'TRAIN_0/anno/a.txt': ROWS, 'TRAIN_1/anno/a.txt': ROWS})
    with pytest.raises(DataError, match='two files of a'):
        TrackingNet(tmp_path)


class TestTColor128:
    def test_frames_agree(self, tmp_path: Path) -> None:
        write_tree(tmp_path, {'a/a_gt.txt': ROWS, 'a/a_frames.txt': '5,7', 'a/b_gt.txt': ROWS})
        annotations = TColor128(tmp_path)
        assert annotations.names == ('a',)
        assert len(annotations.read('a').boxes) == 3

    def test_frames_disagree(self, tmp_path: Path) -> None:
        write_tree(tmp_path, {'a/a_gt.txt': ROWS, 'a/a_frames.txt': '5,8'})
        with pytest.raises(DataError, match='images 5 to 8 do not fit the 3'):
            TColor128(tmp_path).read('a')


class TestFlat:
    def test_visible_is_the_opposite_of_absent(self, tmp_path: Path) -> None:
        files = {'anno/a.txt': ROWS, 'anno/a_visible.txt': '1\n0\n1\n', 'anno/b_visible.txt': ROWS}
        annotations = Flat(write_tree(tmp_path, files))
        assert annotations.names == ('a', 'b_visible')
        np.testing.assert_array_equal(annotations.read('a').absent, [False, True, False])
        assert annotations.read('b_visible').absent is None

    @pytest.mark.parametrize(
        'flags, message', [('1\n0\n', '2 values for 3 frames'), ('1\n0\n2\n', '0 or 1'), ('', 'empty')]
    )
    def test_broken_flags(self, flags: str, message: str, tmp_path: Path) -> None:
        write_tree(tmp_path, {'a.txt': ROWS, 'a_visible.txt': flags})
        with pytest.raises(DataError, match=message):
            Flat(tmp_path).read('a')
