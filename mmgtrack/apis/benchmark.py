"""How fast a tracker is, end to end and stage by stage, and how many operations each stage takes."""

import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from mmgtrack.apis.sources import Frame, FrameReader, open_source
from mmgtrack.apis.tracker import Tracker
from mmgtrack.engine.stages import StageMeter, StageRanges, Watcher, stages_of, watching
from mmgtrack.errors import InputError
from mmgtrack.geometry import resize_image

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of the repeats."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> 'Spread':
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True)
class StageCost:
    """One stage, a frame.

    ms: milliseconds. gflop: 10^9 operations, 2 a multiply-add, of convolutions and matrix products (what
    `torch.utils.flop_counter` counts); element by element work, pooling and sorting count as none.
    """

    name: str
    ms: Spread
    gflop: float

    @property
    def gflop_per_s(self) -> float:
        """Achieved 10^9 operations a second."""
        return _rate(self.gflop, self.ms)


@dataclass(frozen=True)
class Cost:
    """What ``targets`` targets cost a frame, tracked ``batch`` frames at a time.

    end_to_end_ms: frames decoded ahead in a thread, as the ``track`` command does it, without looking in
    between. stages: one after the other, the device waited for between them; their sum differs from
    end_to_end_ms by that waiting and by the decoding that the thread hides. timers_ms: what the timing itself
    adds to the stages.
    """

    batch: int
    targets: int
    end_to_end_ms: Spread
    stage_sum_ms: Spread
    timers_ms: float
    stages: tuple[StageCost, ...]

    @property
    def frames_per_s(self) -> Spread:
        """Frames a second, end to end."""
        ms = self.end_to_end_ms
        return Spread(1e3 / ms.median, 1e3 / ms.high, 1e3 / ms.low)

    @property
    def gflop(self) -> float:
        """10^9 operations a frame."""
        return sum(stage.gflop for stage in self.stages)

    @property
    def gflop_per_s(self) -> float:
        """Achieved 10^9 operations a second, end to end."""
        return _rate(self.gflop, self.end_to_end_ms)


class EndlessClip:
    """A video file or a folder of images that starts again at its end.

    size: (height, width) that frames are resized to once they are decoded; default their own.

    Raises SourceError if it cannot be opened, InputError for a camera or stream, whose pace is its own.
    """

    def __init__(self, path: str, size: tuple[int, int] | None = None) -> None:
        if open_source(path).is_live:
            raise InputError(f'a benchmark needs a file or folder, got the live source {path}')
        self.path = path
        self.size = size

    def decoded(self) -> Generator[Frame, None, None]:
        """Frames in their own size."""
        while True:
            yield from open_source(self.path).frames()

    def resized(self, frame: Frame) -> Frame:
        """The frame in the size asked for."""
        if self.size is None:
            return frame
        return Frame(frame.index, resize_image(frame.image, self.size), frame.time_s)

    def frames(self) -> Iterator[Frame]:
        """Frames in the size asked for."""
        return map(self.resized, self.decoded())

    def first(self) -> tuple[np.ndarray, tuple[int, int]]:
        """The first frame in the size asked for, and the (height, width) that it has in the file."""
        frame = next(iter(open_source(self.path).frames()))
        return self.resized(frame).image, (frame.image.shape[0], frame.image.shape[1])


class Workload:
    """Targets in an endless clip, tracked ``batch`` frames at a time.

    boxes: xyxy pixels of the first frame, one a target.
    """

    def __init__(self, tracker: Tracker, clip: EndlessClip, boxes: Sequence[Box], batch: int) -> None:
        tracker.model.batch_frames = batch
        self.tracker = tracker
        self.clip = clip
        self.targets = len(boxes)
        self.batch = batch
        image, _ = clip.first()
        self._state = tracker.encode(image, boxes)

    def cost(self, repeats: int, warmup: int) -> Cost:
        """Count operations, then time ``repeats`` passes of each mode after ``warmup`` passes.

        Counting takes a pass, which warms up too.
        """
        gflop = {name: count / 1e9 / self.batch for name, count in self.operations().items()}
        whole = self.end_to_end_ms(repeats + warmup)[warmup:]
        passes, timers_ms = self.stage_ms(repeats + warmup)
        passes = passes[warmup:]
        names = self._ordered({name for times in passes for name in times})
        stages = tuple(
            StageCost(name, Spread.of([times.get(name, 0.0) for times in passes]), gflop.get(name, 0.0))
            for name in names
        )
        sums = Spread.of([sum(times.values()) for times in passes])
        return Cost(self.batch, self.targets, Spread.of(whole), sums, timers_ms, stages)

    def end_to_end_ms(self, passes: int) -> list[float]:
        """Milliseconds a frame of each pass, frames read ahead in a thread, nothing watched."""
        times = []
        with FrameReader(open_source(self.clip.frames())) as reader:
            for _ in range(passes):
                begin = time.perf_counter()
                self._advance(reader.take(self.batch))
                times.append(self._ms_a_frame(time.perf_counter() - begin))
        return times

    def stage_ms(self, passes: int) -> tuple[list[dict[str, float]], float]:
        """Milliseconds a frame of each stage in each pass, and what the timers add to a frame."""
        clock = _clock(self.tracker.model.data_preprocessor.mean.device)
        meter = StageMeter(clock)
        totals = []
        for _ in self._watched_passes(meter, passes):
            totals.append({name: self._ms_a_frame(s) for name, s in meter.take().items()})
        return totals, self._ms_a_frame(_seconds_of_a_timer(clock) * meter.calls / passes)

    def operations(self) -> dict[str, float]:
        """Operations of each stage in one pass, 2 a multiply-add, without ``torch.compile``."""
        eager = torch.compiler.set_stance('force_eager')  # the counter does not see into compiled code
        with warnings.catch_warnings(), eager, FlopCounterMode(display=False) as counter:
            # of modules that are compiled, because the counter hooks on to modules
            warnings.filterwarnings('ignore', message='Using `torch.compile', category=UserWarning)
            meter = StageMeter(counter.get_total_flops)
            list(self._watched_passes(meter, 1))
        return meter.take()

    def trace(self) -> bytes:
        """One pass as a Chrome trace (JSON; chrome://tracing or Perfetto show it), stages marked."""
        activities = [torch.profiler.ProfilerActivity.CPU]
        if torch.cuda.is_available():
            activities.append(torch.profiler.ProfilerActivity.CUDA)
        with torch.profiler.profile(activities=activities) as profile:
            list(self._watched_passes(StageRanges(), 1))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'trace.json'
            profile.export_chrome_trace(str(path))
            return path.read_bytes()

    def _watched_passes(self, watcher: Watcher, passes: int) -> Iterator[None]:
        """Decode, then track, ``passes`` times over."""
        with closing(self.clip.decoded()) as frames, watching(self.tracker.model, watcher):
            for _ in range(passes):
                watcher.enter('decode')
                chunk = list(islice(frames, self.batch))
                watcher.leave()
                resized = [self.clip.resized(frame) for frame in chunk]
                watcher.enter('rest')
                self._advance(resized)
                watcher.leave()
                yield

    def _advance(self, frames: Iterable[Frame]) -> None:
        tracks, self._state = self.tracker.track([frame.image for frame in frames], self._state)
        tracks.to('cpu')  # waits for the device, as everybody does who looks at the result

    def _ms_a_frame(self, seconds: float) -> float:
        return seconds * 1e3 / self.batch

    def _ordered(self, names: set[str]) -> list[str]:
        """Stages in the order of their table, parts behind their whole."""
        order = ['decode', *dict.fromkeys(stages_of(self.tracker.model).values()), 'rest']
        return sorted(names, key=lambda name: (order.index(name.split(':')[0]), name))


def _rate(gflop: float, ms: Spread) -> float:
    return gflop / ms.median * 1e3 if ms.median else 0.0


def _clock(device: torch.device) -> Callable[[], float]:
    """Seconds, read when the device has done all its work."""
    if device.type != 'cuda':
        return time.perf_counter

    def read() -> float:
        torch.cuda.synchronize(device)
        return time.perf_counter()

    return read


def _seconds_of_a_timer(clock: Callable[[], float], count: int = 1000) -> float:
    """What it takes to enter and leave a stage on an idle device."""
    meter = StageMeter(clock)
    begin = time.perf_counter()
    for _ in range(count):
        meter.enter('stage')
        meter.leave()
    return (time.perf_counter() - begin) / count
