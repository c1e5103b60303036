"""Fit score -> probability and the presence threshold on labelled clips, and keep them with the weights."""

import os
from collections.abc import Sequence as Items
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from mmgtrack.apis.models import build_tracker
from mmgtrack.checkpoint import load_checkpoint_file, save_checkpoint_file
from mmgtrack.datasets.sequence import Reader, Sequence, read_frame
from mmgtrack.errors import DataError
from mmgtrack.evaluation import fit_calibration, iou
from mmgtrack.models.base import BaseTracker
from mmgtrack.structures import Calibration, State

FOREIGN_FRAMES = 24  # frames of the next clip shown to each target: certain absence where clips have none
MIN_IOU = 0.5  # OxUvA: a true positive needs a box with at least this overlap


@dataclass(frozen=True)
class FrameScores:
    """n frames: (n,) raw scores, whether the target was there, whether the box was right."""

    scores: np.ndarray
    present: np.ndarray
    correct: np.ndarray


@dataclass(frozen=True)
class CalibrationReport:
    """What was fitted, and what its threshold does on the frames it was fitted on.

    present_frames, correct_frames, absent_frames: frames with the target, those of them in which the box was
    right, frames without. true_positive_rate: share of the frames with the target that have a right box and
    are reported present (OxUvA); true_negative_rate: share of the frames without that are reported absent.
    """

    calibration: Calibration
    present_frames: int
    correct_frames: int
    absent_frames: int
    true_positive_rate: float
    true_negative_rate: float


def calibrate(
    model: str | os.PathLike[str],
    checkpoint: str | os.PathLike[str],
    data: Reader,
    device: str = 'cpu',
) -> CalibrationReport:
    """Fit ``Calibration`` on a reader's sequences and write it into the checkpoint's meta.

    Each sequence is tracked from its first frame on; some frames of the next sequence are added as absence,
    so that data without labelled absence serve too. Fitted are the frames with a right box against those
    without the target. Frames where the target is there but the box is elsewhere are left out: to believe
    such a box is as wrong as to deny the target, so they say nothing about the threshold.
    """
    tracker = build_tracker(model, checkpoint, device)
    tracker.calibration = Calibration()  # raw scores
    frames = collect_scores(tracker, data)
    if not frames.correct.any():
        raise DataError(
            'calibration needs frames in which the tracker is right, got none in '
            f'{int(frames.present.sum())} frames with the target: train the model first'
        )
    used = frames.correct | ~frames.present
    fitted = fit_calibration(frames.scores[used], frames.present[used])
    content = load_checkpoint_file(checkpoint)
    content['meta'] = {**(content.get('meta') or {}), 'calibration': fitted.to_dict()}
    save_checkpoint_file(content, checkpoint)
    return _report(fitted, frames)


def collect_scores(tracker: BaseTracker, data: Reader) -> FrameScores:
    """Scores of the chosen boxes over all sequences whose first frame shows a target."""
    parts = []
    for index in range(len(data)):
        sequence = data[index]
        targets = np.flatnonzero(sequence.present[0])
        if len(targets) == 0:
            continue
        state = tracker.encode(read_frame(sequence.frame_paths[0]), sequence.boxes[0, targets])
        parts.append(_own_frames(tracker, sequence, targets, state))
        other = _other_video(data, index)
        if other is not None:
            parts.append(_foreign_frames(tracker, other, state))
    if not parts:
        raise DataError('calibration needs sequences whose first frame shows a target, got none')
    return FrameScores(
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.present for part in parts]),
        np.concatenate([part.correct for part in parts]),
    )


def _other_video(data: Reader, index: int) -> Sequence | None:
    """The next sequence that is cut from another film."""
    following = (data[(index + step) % len(data)] for step in range(1, len(data)))
    return next((other for other in following if not other.shares_video(data[index])), None)


def _own_frames(tracker: BaseTracker, sequence: Sequence, targets: np.ndarray, state: State) -> FrameScores:
    """Every labelled frame of the sequence after the first."""
    boxes, scores = _track(tracker, sequence, range(1, len(sequence)), state)
    present, labelled = sequence.present[1:, targets], sequence.labelled[1:, targets]
    overlap = np.nan_to_num(iou(boxes, sequence.boxes[1:, targets].astype(float)))
    correct = present & (overlap >= MIN_IOU)
    return FrameScores(scores[labelled], present[labelled], correct[labelled])


def _foreign_frames(tracker: BaseTracker, other: Sequence, state: State) -> FrameScores:
    """Frames of another sequence, in which no target of this one is."""
    shown = np.linspace(0, len(other) - 1, min(FOREIGN_FRAMES, len(other))).astype(int)
    scores = _track(tracker, other, shown.tolist(), state)[1].ravel()
    nothing = np.zeros(len(scores), dtype=bool)
    return FrameScores(scores, nothing, nothing)


def _track(
    tracker: BaseTracker, sequence: Sequence, frames: Items[int], state: State
) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (F, M, 4) and scores (F, M) in the frames with these indices."""
    boxes = [np.zeros((0, len(state), 4))]
    scores = [np.zeros((0, len(state)))]
    for start in range(0, len(frames), tracker.batch_frames):
        chunk = frames[start : start + tracker.batch_frames]
        images = [read_frame(sequence.frame_paths[i]) for i in chunk]
        tracks, state = tracker.track(images, state)
        boxes.append(tracks.boxes.double().cpu().numpy())
        scores.append(tracks.scores.double().cpu().numpy())
    return np.concatenate(boxes), np.concatenate(scores)


def _report(fitted: Calibration, frames: FrameScores) -> CalibrationReport:
    believed = fitted(torch.from_numpy(frames.scores)).numpy() >= fitted.threshold
    return CalibrationReport(
        calibration=fitted,
        present_frames=int(frames.present.sum()),
        correct_frames=int(frames.correct.sum()),
        absent_frames=int((~frames.present).sum()),
        true_positive_rate=float(believed[frames.correct].sum() / frames.present.sum()),
        true_negative_rate=float((~believed[~frames.present]).mean()),
    )


def data_folder(root: str | os.PathLike[str]) -> Path:
    """The folder if it is one."""
    path = Path(root)
    if not path.is_dir():
        raise DataError(f'no data folder {path}; expected a folder with one folder a sequence')
    return path
