"""Tracks of ours, written in the form that a benchmark's rule or server reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmgtrack.datasets.image_size import image_size
from mmgtrack.datasets.sequence import Sequence
from mmgtrack.errors import DataError, InputError, OutputError
from mmgtrack.evaluation.benchmarks import Protocol
from mmgtrack.evaluation.results.oxuva import OxuvaPredictions, write_predictions
from mmgtrack.evaluation.results.vot import run_name, write_trajectory
from mmgtrack.evaluation.results.writers import format_times
from mmgtrack.evaluation.rules.average_recall import AverageRecallRule
from mmgtrack.evaluation.rules.mot import MotRule
from mmgtrack.evaluation.rules.oxuva import OxuvaRule
from mmgtrack.evaluation.rules.vot_accuracy import VotAccuracyRule
from mmgtrack.evaluation.rules.vot_got10k import VotGot10kRule
from mmgtrack.evaluation.rules.vot_long_term import VotLongTermRule
from mmgtrack.evaluation.rules.vot_multi_start import VotMultiStartRule
from mmgtrack.evaluation.rules.vot_reset import VotResetRule
from mmgtrack.files import replacing
from mmgtrack.formats.frame_numbers import frame_number
from mmgtrack.formats.track_csv import TrackRows, format_track_csv

_RESTARTED = (VotResetRule, VotMultiStartRule, VotGot10kRule)


@dataclass(frozen=True, eq=False)
class TargetTrack:
    """One target through F frames of a sequence, the given box first.

    name: of the result. boxes: (F, 4) float64 xyxy pixels; scores: (F,); present: (F,) bool; times: (F,)
    seconds. first_frame: path of the first frame.
    """

    name: str
    boxes: np.ndarray
    scores: np.ndarray
    present: np.ndarray
    times: np.ndarray
    first_frame: str

    @property
    def boxes_xywh(self) -> np.ndarray:
        """(F, 4) x, y, w, h."""
        return np.concatenate([self.boxes[:, :2], self.boxes[:, 2:] - self.boxes[:, :2]], axis=1)


def target_tracks(sequence: Sequence, result: Mapping[str, Any]) -> list[TargetTrack]:
    """Of a result as metrics get it: a track a target, ``NAME``, or ``NAME#1`` where there are several."""
    return [
        TargetTrack(
            f'{sequence.name}#{target + 1}' if sequence.num_targets > 1 else sequence.name,
            result['boxes'][:, column],
            result['scores'][:, column],
            result['present'][:, column],
            result['times'],
            sequence.frame_paths[0],
        )
        for column, target in enumerate(result['targets'])
    ]


def write_rows(folder: Path, track: TargetTrack) -> None:
    """``NAME.csv``, and ``NAME_time.txt`` beside it. Raises OutputError."""
    path = folder / track.name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'cannot make the folder {path.parent}: {error.strerror}') from error
    with replacing(f'{path}_time.txt') as file:
        file.write(format_times(track.times[:, None]).encode())
    rows = TrackRows(track.boxes_xywh, track.scores, track.present, first=0)
    # last: with this file the target is done
    with replacing(f'{path}.csv') as file:
        file.write(format_track_csv(rows).encode())


def write_oxuva(folder: Path, track: TargetTrack) -> None:
    """OxUvA's predictions of all frames after the first, numbered as in the video, boxes as shares."""
    video, _, obj = track.name.rpartition('_')
    try:
        first = frame_number(Path(track.first_frame).stem)
    except ValueError as error:
        raise DataError(f'{track.first_frame}: expected a frame called by its number in the video') from error
    height, width = image_size(track.first_frame)
    has_size = (track.boxes[1:, 2:] > track.boxes[1:, :2]).all(axis=1)  # OxUvA takes no box without one
    predictions = OxuvaPredictions(
        first + np.arange(1, len(track.boxes)),
        track.present[1:] & has_size,
        track.scores[1:],
        track.boxes[1:] / [width, height, width, height],
    )
    write_predictions(folder / f'{track.name}.csv', video, obj, predictions)


def write_vot(folder: Path, track: TargetTrack, experiment: str) -> None:
    """A trajectory of one run over the whole sequence, with confidences and times, as the VOT toolkit's."""
    place = folder / experiment / track.name
    write_trajectory(place, run_name(track.name), track.boxes_xywh, track.scores, track.times)


def write_for(protocol: Protocol | None, folder: Path, track: TargetTrack) -> None:
    """What ``protocol`` reads; None: rows, which all that read boxes do."""
    rule = protocol.rule if protocol is not None else None
    if isinstance(rule, OxuvaRule):
        write_oxuva(folder, track)
    elif isinstance(rule, VotLongTermRule | VotAccuracyRule):
        write_vot(folder, track, rule.experiment)
    else:
        write_rows(folder, track)


def check_one_run(protocol: Protocol) -> None:
    """Raises InputError for a protocol that judges something else than one track from the first frame on."""
    if isinstance(protocol.rule, _RESTARTED):
        raise InputError(
            f'{protocol.name} starts a tracker several times in a sequence: run it with the VOT toolkit, and '
            'judge its results with `mmgtrack evaluate`'
        )
    if isinstance(protocol.rule, MotRule | AverageRecallRule):
        raise InputError(f'{protocol.name} judges other results than tracks of given targets')
