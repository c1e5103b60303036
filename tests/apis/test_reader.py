"""Reading ahead: order, bounds, errors, and no thread left behind."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mmgtrack.apis import Frame, FrameReader, FrameSource, open_source
from mmgtrack.errors import InputError, SourceError

IMAGE = np.zeros((4, 4, 3), np.uint8)


class Counting(FrameSource):
    """A source that counts what is taken from it."""

    name = 'counting'

    def __init__(self, num_frames: int, image: np.ndarray = IMAGE, *, is_live: bool = False) -> None:
        self.is_live = is_live
        self.taken = 0
        self._num, self._image = num_frames, image

    def frames(self, start: int = 0) -> Iterator[Frame]:
        for index in range(start, self._num):
            self.taken += 1
            yield Frame(index, self._image)


def reader_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == 'mmgtrack-reader']


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    yield
    assert reader_threads() == []


def test_every_frame_in_order(write_clip: Callable[..., Path]) -> None:
    with FrameReader(open_source(write_clip()), start_frame=3) as reader:
        assert next(reader).index == 3
        assert [f.index for f in reader.take(10)] == list(range(4, 14))
        assert [f.index for f in reader] == list(range(14, 30))
        assert reader.take(4) == []


def test_early_break_ends_the_thread(write_clip: Callable[..., Path]) -> None:
    with FrameReader(open_source(write_clip())) as reader:
        for _ in itertools.islice(reader, 3):
            pass
        assert len(reader_threads()) == 1
    assert reader_threads() == []
    assert list(reader) == []


def test_queue_is_bounded_in_frames_and_bytes() -> None:
    small = Counting(1000)
    with FrameReader(small):
        wait_until(lambda: small.taken == 17)  # 16 wait, one is in hand
        time.sleep(0.05)
        assert small.taken == 17
    big = Counting(1000, np.zeros((8192, 8192, 3), np.uint8))  # 192 MiB each
    with FrameReader(big):
        wait_until(lambda: big.taken == 3)
        time.sleep(0.05)
        assert big.taken == 3


def test_newest_drops_stale_frames_of_live_sources() -> None:
    source = Counting(500, is_live=True)
    with FrameReader(source, live='newest') as reader:
        wait_until(lambda: source.taken == 500)
        time.sleep(0.05)
        assert [f.index for f in reader] == [499]


@pytest.mark.parametrize('is_live, live', [(True, 'every'), (False, 'newest')])
def test_no_frame_is_dropped_otherwise(is_live: bool, live: str) -> None:
    source = Counting(100, is_live=is_live)
    with FrameReader(source, live=live) as reader:  # type: ignore[arg-type]
        time.sleep(0.05)
        assert [f.index for f in reader] == list(range(100))


def test_live_must_be_a_known_policy() -> None:
    with pytest.raises(InputError, match="'newest' or 'every', got 'oldest'"):
        FrameReader(Counting(1), live='oldest')  # type: ignore[arg-type]


def test_errors_arrive_after_the_frames_before_them() -> None:
    def images() -> Iterator[np.ndarray]:
        yield IMAGE
        yield IMAGE
        raise ZeroDivisionError('in the iterator of the user')

    with FrameReader(open_source(images())) as reader:
        assert len(reader.take(8)) == 2
        with pytest.raises(ZeroDivisionError, match='of the user'):
            reader.take(8)
        assert reader.take(8) == []
    with FrameReader(open_source([])) as reader, pytest.raises(SourceError, match='no frame'):
        next(reader)


def test_stop_ends_the_iteration() -> None:
    with FrameReader(Counting(1000)) as reader:
        next(reader)
        reader.stop()
        assert list(reader) == []


def test_close_returns_although_the_source_hangs() -> None:
    release = threading.Event()

    def images() -> Iterator[np.ndarray]:
        yield IMAGE
        release.wait(30)
        yield IMAGE

    began = time.monotonic()
    with FrameReader(open_source(images())) as reader:
        next(reader)
    assert time.monotonic() - began < 10
    release.set()
    wait_until(lambda: reader_threads() == [])
