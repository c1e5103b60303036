"""Fit score -> probability and the presence threshold on labelled clips, and keep them with the weights."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmgtrack.apis.models import build_tracker
from mmgtrack.checkpoint import load_checkpoint_file, save_checkpoint_file
from mmgtrack.datasets.sequence import Reader, Sequence, read_frame
from mmgtrack.errors import DataError
from mmgtrack.evaluation import fit_calibration
from mmgtrack.models.base import BaseTracker
from mmgtrack.structures import Calibration

FOREIGN_FRAMES = 8  # frames of the next clip shown to each target: certain absence where clips have none


@dataclass(frozen=True)
class CalibrationReport:
    """What was fitted, and on how much.

    true_positive_rate, true_negative_rate: of the fitted threshold on the frames it was fitted on.
    """

    calibration: Calibration
    present_frames: int
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

    Each sequence is tracked from its first frame on. Frames count as present or absent by their label;
    some frames of the next sequence are added as absence, so that data without labelled absence serve too.
    """
    tracker = build_tracker(model, checkpoint, device)
    tracker.calibration = Calibration()  # raw scores
    scores, present = collect_scores(tracker, data)
    fitted = fit_calibration(scores, present)
    content = load_checkpoint_file(checkpoint)
    content['meta'] = {**(content.get('meta') or {}), 'calibration': fitted.to_dict()}
    save_checkpoint_file(content, checkpoint)
    decided = fitted(torch.from_numpy(scores)).numpy() >= fitted.threshold
    return CalibrationReport(
        fitted,
        int(present.sum()),
        int((~present).sum()),
        float(decided[present].mean()),
        float((~decided[~present]).mean()),
    )


def collect_scores(tracker: BaseTracker, data: Reader) -> tuple[np.ndarray, np.ndarray]:
    """Raw scores (n,) of the chosen boxes and whether the target was there (n,), over all sequences."""
    scores: list[np.ndarray] = []
    present: list[np.ndarray] = []
    for index in range(len(data)):
        sequence, other = data[index], data[(index + 1) % len(data)]
        targets = np.flatnonzero(sequence.present[0])
        if len(targets) == 0:
            continue
        state = tracker.encode(read_frame(sequence.frame_paths[0]), sequence.boxes[0, targets])
        labelled = sequence.labelled[1:][:, targets]
        found = _track_scores(tracker, sequence, range(1, len(sequence)), state)
        scores.append(found[labelled])
        present.append(sequence.present[1:][:, targets][labelled])
        if len(data) > 1:
            shown = np.linspace(0, len(other) - 1, min(FOREIGN_FRAMES, len(other))).astype(int)
            foreign = _track_scores(tracker, other, shown, state).ravel()
            scores.append(foreign)
            present.append(np.zeros(len(foreign), dtype=bool))
    if not scores:
        raise DataError('calibration needs sequences whose first frame shows a target, got none')
    return np.concatenate(scores), np.concatenate(present)


def _track_scores(tracker: BaseTracker, sequence: Sequence, frames: Any, state: Any) -> np.ndarray:
    """Raw scores (F, M) in the frames with these indices."""
    parts = [np.zeros((0, len(state)))]
    indices = list(frames)
    for start in range(0, len(indices), tracker.batch_frames):
        chunk = indices[start : start + tracker.batch_frames]
        images = [read_frame(sequence.frame_paths[i]) for i in chunk]
        tracks, state = tracker.track(images, state)
        parts.append(tracks.scores.double().cpu().numpy())
    return np.concatenate(parts)


def data_folder(root: str | os.PathLike[str]) -> Path:
    """The folder if it is one."""
    path = Path(root)
    if not path.is_dir():
        raise DataError(f'no data folder {path}; expected a folder with one folder a sequence')
    return path
