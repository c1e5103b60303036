"""Faults of single files and folders: each is named, and none spoils what is read beside it."""

import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmgtrack.datasets import BenchmarkReader, CocoImages, SequenceFolder, read_frame, reader_config
from mmgtrack.datasets.data_check import check_sequences
from mmgtrack.datasets.image_size import image_size
from mmgtrack.errors import DataError, FrameError
from mmgtrack.formats.vot_masks import with_boxes
from mmgtrack.registry import DATASETS
from tests.datasets.test_layouts import build, numbered, write

ROW = '1,2,3,4\n'


def got10k_test(root: Path) -> Path:
    folder = 'test/GOT-10k_Test_000001'
    texts = {'test/list.txt': 'GOT-10k_Test_000001\n', f'{folder}/groundtruth.txt': ROW}
    return write(root, texts, numbered(f'{folder}/%08d.jpg', 1, 6))


def trackingnet_test(root: Path) -> Path:
    return write(root, {'TEST/anno/a_0.txt': ROW}, numbered('TEST/frames/a_0/%d.jpg', 0, 11))


@pytest.mark.parametrize(
    'name, make, missing',
    [
        ('got10k_test', got10k_test, 'test/GOT-10k_Test_000001/00000004.jpg'),
        ('got10k_test', got10k_test, 'test/GOT-10k_Test_000001/00000001.jpg'),
        ('trackingnet', trackingnet_test, 'TEST/frames/a_0/5.jpg'),
    ],
)
def test_a_missing_frame_of_a_withheld_truth(tmp_path: Path, name: str, make: Any, missing: str) -> None:
    (make(tmp_path) / missing).unlink()
    reader = build(name, tmp_path)
    message = f'without a gap, but {os.path.basename(missing)} is missing'
    with pytest.raises(DataError, match=message):
        reader[0]
    assert message in next(check_sequences(reader)).problems[0] and reader.num_frames(0) == 0


def test_readers_of_one_root_do_not_share_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('MMGTRACK_CACHE', str(tmp_path / 'cache'))
    root = write(tmp_path / 'otb', {'Board/groundtruth_rect.txt': ROW}, ['Board/img/00001.jpg'])
    for path in root.rglob('*'):
        os.utime(path, (1_600_000_000,) * 2)
    for _ in range(2):
        plain = BenchmarkReader(str(root), 'otb', sequences=['Board'])
        listed = BenchmarkReader(str(root), 'otb', table='otb2015', sequences=['Board'])
        assert (plain.num_frames(0), listed.num_frames(0)) == (0, 1)


def huge_png(path: Path) -> str:
    """A header that promises 40000x40000 pixels."""
    header = b'IHDR' + struct.pack('>IIBBBBB', 40000, 40000, 8, 2, 0, 0, 0)
    chunk = struct.pack('>I', 13) + header + struct.pack('>I', zlib.crc32(header))
    path.write_bytes(b'\x89PNG\r\n\x1a\n' + chunk)
    return str(path)


@pytest.mark.parametrize('read', [read_frame, image_size])
def test_an_image_of_too_many_pixels(tmp_path: Path, read: Any) -> None:
    with pytest.raises(FrameError, match=r'cannot read the image .*a\.png'):
        read(huge_png(tmp_path / 'a.png'))


@pytest.mark.parametrize('file', ['frames.txt', 'meta.json'])
def test_binary_texts_of_a_folder(tmp_path: Path, file: str) -> None:
    write(tmp_path, {'a/groundtruth.txt': ROW}, ['a/img/1.jpg'])
    (tmp_path / 'a' / file).write_bytes(b'\xff\xfe\x00\x81')
    with pytest.raises(DataError, match=f'{file} is no text file'):
        SequenceFolder(str(tmp_path))[0]


@pytest.mark.parametrize('seed', range(20))
def test_the_box_of_a_mask_is_tight(seed: int) -> None:
    random = np.random.default_rng(seed)
    mask = random.random((4, 5)) < random.choice([0.1, 0.3])
    ends = [0, *(np.flatnonzero(np.diff(mask.ravel())) + 1), 20]
    runs = [0] * int(mask[0, 0]) + np.diff(ends).tolist()
    text = with_boxes(f'm10,20,5,4,{",".join(map(str, runs))}', 'here')
    rows, columns = np.nonzero(mask)
    if not len(rows):
        assert text == 'nan,nan,nan,nan'
        return
    low, size = (columns.min() + 10, rows.min() + 20), (np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert text == f'{low[0]},{low[1]},{size[0]},{size[1]}'


def test_a_mask_of_any_size_takes_no_memory() -> None:
    assert with_boxes('m0,0,1000000000,1000000000,5,5', 'here') == '5,0,5,1'


@pytest.mark.parametrize(
    'image, box, message',
    [
        ({'width': 80}, [1, 2, 3], r'annotation 7 has the box \[1, 2, 3\], expected 4'),
        ({'width': 0}, [1, 2, 3, 4], r'image 1 has the size \(0, 60\)'),
    ],
)
def test_entries_of_coco(tmp_path: Path, image: Any, box: Any, message: str) -> None:
    images = [{'id': 1, 'file_name': 'a.jpg', 'height': 60, **image}]
    content = {'images': images, 'annotations': [{'id': 7, 'image_id': 1, 'bbox': box}]}
    (tmp_path / 'annotations.json').write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        CocoImages(str(tmp_path))


def test_looking_twice_finds_the_same(tmp_path: Path) -> None:
    images = [{'id': 1, 'file_name': 'a.jpg', 'width': 80, 'height': 60}]
    boxes = [{'id': n, 'image_id': 1, 'bbox': [1, 2, n, 4]} for n in (0, 3)]
    (tmp_path / 'annotations.json').write_text(json.dumps({'images': images, 'annotations': boxes}))
    reader = CocoImages(str(tmp_path))
    assert [len(check.problems) for _ in range(2) for check in check_sequences(reader)] == [2, 2]


def test_hidden_files_are_no_sequences(tmp_path: Path) -> None:
    trackingnet_test(tmp_path)
    (tmp_path / 'TEST/anno/._a_0.txt').write_bytes(b'\x00\x81')
    assert build('trackingnet', tmp_path).names == ['a_0']


def test_frames_of_tlp_are_in_order(tmp_path: Path) -> None:
    rows = ''.join(f'{frame},1,2,3,4,0\n' for frame in (1, 2, 9, 4))
    write(tmp_path, {'A/groundtruth_rect.txt': rows}, numbered('A/img/%05d.jpg', 1, 4))
    with pytest.raises(DataError, match='line 3: expected frame 3, got frame 9'):
        build('tlp', tmp_path, sequences='all')[0]


@pytest.mark.parametrize('sequences', ['all', ['David']])
def test_folders_in_other_case_are_the_listed_ones(tmp_path: Path, sequences: Any) -> None:
    write(tmp_path, {'david/groundtruth_rect.txt': ROW}, numbered('david/img/%04d.jpg', 298, 301))
    reader = DATASETS.build({**reader_config('otb2015', tmp_path), 'sequences': sequences})
    assert reader.names == ['David']
    assert reader[0].frame_paths == (f'{tmp_path}/david/img/0300.jpg',)


def test_a_listed_sequence_of_vot_that_is_missing_does_not_hide_the_others(tmp_path: Path) -> None:
    write(tmp_path, {'list.txt': 'a\nb\n', 'b/groundtruth.txt': ROW}, ['b/color/00000001.jpg'])
    reader = build('vot_longterm', tmp_path)
    assert reader.names == ['a', 'b'] and len(reader[1]) == 1
    with pytest.raises(DataError, match=r'a/groundtruth\.txt'):
        reader[0]
    (tmp_path / 'list.txt').write_text('\n')
    with pytest.raises(DataError, match=r'list\.txt lists no sequence'):
        build('vot_longterm', tmp_path)


@pytest.mark.parametrize('pattern', ['%d', '%04d', '%4d', 'x%d'])
def test_names_of_images_as_vot_writes_them(tmp_path: Path, pattern: str) -> None:
    texts = {'a/sequence': f'channels.color=color/{pattern}.jpg\n', 'a/groundtruth.txt': ROW * 10}
    write(tmp_path, texts, numbered(f'a/color/{pattern}.jpg', 1, 10))
    assert build('vot_longterm', tmp_path)[0].frame_paths[9] == f'{tmp_path}/a/color/{pattern % 10}.jpg'


@pytest.mark.parametrize('rows, flaws', [(253, 0), (254, 1)])
def test_rows_past_the_published_range(tmp_path: Path, rows: int, flaws: int) -> None:
    write(
        tmp_path,
        {'anno/UAV123/bird1_1.txt': ROW * rows},
        numbered('data_seq/UAV123/bird1/%06d.jpg', 1, 300),
    )
    found = build('uav123', tmp_path, sequences=['bird1_1']).flaws(0)
    assert len(found) == flaws and all('the published list has 253 frames' in flaw for flaw in found)


@pytest.mark.parametrize(
    'masks, flaws',
    [
        ([0, 1, 2], []),
        ([0], []),  # all that is published of test-dev
        ([0, 2], ['missing masks (1 of 3): 00001.png']),
        ([0, 1, 2, 3], ['masks without an image (1): 00003.png']),
    ],
)
def test_masks_of_davis(tmp_path: Path, masks: list[int], flaws: list[str]) -> None:
    images = numbered('JPEGImages/480p/a/%05d.jpg', 0, 2)
    there = [f'Annotations/480p/a/{number:05d}.png' for number in masks]
    write(tmp_path, {'ImageSets/2017/val.txt': 'a\n'}, [*images, *there])
    assert build('davis2017', tmp_path).flaws(0) == flaws
