"""Frames come once, in order, and not more of them than a few chunks before they are needed."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmgtrack.engine import read_ahead as module
from mmgtrack.engine.read_ahead import read_ahead
from mmgtrack.errors import DataError


def write(folder: Path, count: int) -> list[str]:
    paths = [str(folder / f'{number:03d}.png') for number in range(count)]
    for number, path in enumerate(paths):
        cv2.imwrite(path, np.full((4, 6, 3), number, np.uint8))
    return paths


@pytest.mark.parametrize(
    'count, size, lengths', [(7, 3, [3, 3, 1]), (2, 5, [2]), (0, 4, []), (6, 1, [1] * 6)]
)
def test_chunks(count: int, size: int, lengths: list[int], tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as executor:
        chunks = list(read_ahead(write(tmp_path, count), size, executor))
    assert [len(chunk) for chunk in chunks] == lengths
    assert [int(frame[0, 0, 0]) for chunk in chunks for frame in chunk] == list(range(count))


def test_a_frame_is_read_once_by_another_thread_and_not_long_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int]] = []

    def watched(path: str) -> np.ndarray:
        seen.append((path, threading.get_ident()))
        return cv2.imread(path)

    monkeypatch.setattr(module, 'read_frame', watched)
    paths = write(tmp_path, 20)
    with ThreadPoolExecutor(1) as executor:
        for done, _ in enumerate(read_ahead(paths, 2, executor), start=1):
            time.sleep(0.01)
            assert len(seen) <= 2 * (done + 2)
    assert [path for path, _ in seen] == paths
    assert threading.get_ident() not in {thread for _, thread in seen}


def test_a_damaged_frame_ends_it_where_it_is(tmp_path: Path) -> None:
    paths = write(tmp_path, 8)
    Path(paths[5]).write_bytes(b'')
    with ThreadPoolExecutor(1) as executor:
        chunks = read_ahead(paths, 2, executor)
        assert [len(next(chunks)) for _ in range(2)] == [2, 2]
        with pytest.raises(DataError, match=r'005\.png'):
            next(chunks)
        assert next(chunks, None) is None
