"""Track several whole sequences at once, each from its first frame."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from mmgtrack.datasets.sequence import Sequence as Video
from mmgtrack.datasets.sequence import read_frame
from mmgtrack.engine.read_ahead import read_ahead
from mmgtrack.errors import DataError, InputError
from mmgtrack.models.base import BaseTracker
from mmgtrack.structures import State, Tracks

DATA_FAULTS = (DataError, InputError, OSError)
"""What breaks one sequence and not the run."""


@dataclass(frozen=True, eq=False)
class SequenceResult:
    """Tracks of those targets that the first of F frames shows.

    name: of the sequence; targets: (M,) their columns in its annotation.
    boxes: (F, M, 4) float64 xyxy pixels, scores: (F, M) float64, present: (F, M) bool; row 0 is the given
    box. times: (F,) seconds in the tracker, without decoding; frames tracked as one batch share its time.
    """

    name: str
    targets: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    present: np.ndarray
    times: np.ndarray


@dataclass(frozen=True)
class BrokenSequence:
    """A sequence without a result. reason: one line that names the file."""

    name: str
    reason: str


def given_targets(sequence: Video) -> np.ndarray:
    """(M,) columns of the targets that can be started. Raises DataError where the first frame shows none."""
    targets = np.flatnonzero(sequence.present[0]) if len(sequence) else np.zeros(0, dtype=int)
    if not len(targets):
        raise DataError(f'the first frame of {sequence.name} has no box, so nothing can be tracked')
    return targets


class _Run:
    """One sequence under way."""

    def __init__(self, tracker: BaseTracker, sequence: Video, executor: Executor) -> None:
        self.sequence = sequence
        self.targets = given_targets(sequence)
        frames = sequence.frame_paths
        self.chunks = read_ahead(frames[1:], tracker.batch_frames, executor)
        first, boxes = read_frame(frames[0]), sequence.boxes[0, self.targets]
        began = time.perf_counter()
        self.state: State = tracker.encode(first, boxes)
        self.parts: list[Tracks] = [tracker.track([], self.state)[0].to('cpu')]
        self.times = [time.perf_counter() - began]

    def add(self, tracks: Tracks, state: State, seconds: float) -> None:
        self.parts.append(tracks)
        self.state = state
        self.times += [seconds] * len(tracks)

    def result(self) -> SequenceResult:
        given, count = self.sequence.boxes[0, self.targets][None], len(self.targets)
        tracks = Tracks.cat(self.parts)
        return SequenceResult(
            self.sequence.name,
            self.targets,
            np.concatenate([given.astype(np.float64), tracks.boxes.double().numpy()]),
            np.concatenate([np.ones((1, count)), tracks.scores.double().numpy()]),
            np.concatenate([np.ones((1, count), dtype=bool), tracks.present.numpy()]),
            np.array(self.times),
        )


@torch.no_grad()
def track_group(
    tracker: BaseTracker, sequences: Sequence[Video], report: Callable[[int], None] = lambda count: None
) -> Iterator[SequenceResult | BrokenSequence]:
    """Track sequences as one batch, ``batch_frames`` frames of each at a time; yields each when it ends.

    One that breaks is left out from that chunk on; the others go on, each time in the same way.
    report: called with the number of frames that were tracked since the last call.
    """
    with ThreadPoolExecutor(max(len(sequences), 1)) as executor:
        runs: list[_Run] = []
        for sequence in sequences:
            try:
                runs.append(_Run(tracker, sequence, executor))
                report(1)
            except DATA_FAULTS as error:
                yield _broken(sequence, error)
        while runs:
            clips: list[tuple[_Run, list[np.ndarray]]] = []
            for run in runs:
                try:
                    frames = next(run.chunks, None)
                except DATA_FAULTS as error:
                    yield _broken(run.sequence, error)
                    continue
                if frames is None:
                    yield run.result()
                else:
                    clips.append((run, frames))
            _track(tracker, clips)
            runs = [run for run, _ in clips]
            report(sum(len(frames) for _, frames in clips))


def _track(tracker: BaseTracker, clips: Sequence[tuple[_Run, list[np.ndarray]]]) -> None:
    """One chunk of every sequence."""
    if not clips:
        return
    began = time.perf_counter()
    found = tracker.track_many([(frames, run.state) for run, frames in clips])
    parts = [(tracks.to('cpu'), state) for tracks, state in found]  # waits for the device
    seconds = (time.perf_counter() - began) / sum(len(frames) for _, frames in clips)
    for (run, _), (tracks, state) in zip(clips, parts, strict=True):
        run.add(tracks, state, seconds)


def _broken(sequence: Video, error: Exception) -> BrokenSequence:
    return BrokenSequence(sequence.name, ' '.join(str(error).split()))
