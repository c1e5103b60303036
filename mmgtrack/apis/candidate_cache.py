"""Candidates of whole clips as arrays, kept in files so that rules of choice can be compared quickly."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from mmgtrack.apis.tracker import Tracker
from mmgtrack.errors import DataError, InputError, OutputError
from mmgtrack.evaluation.choices import FoundBoxes
from mmgtrack.files import replacing
from mmgtrack.structures import Candidates


class CandidateCache:
    """What a tracker finds in clips; a clip that was searched before is read from ``folder`` instead.

    A file belongs to the tracker's config and weights and to the very pixels of the clip, so nothing has to
    be cleared when one of them changes. folder: None keeps nothing. Raises OutputError where the folder
    cannot be made.
    """

    def __init__(self, tracker: Tracker, folder: Path | None) -> None:
        self.tracker = tracker
        self.folder = folder
        self._model = hashlib.sha256(tracker.model.fingerprint.encode())
        for part in (*tracker.model.parameters(), *tracker.model.buffers()):  # random ones have no other name
            self._model.update(part.detach().cpu().float().contiguous().numpy().tobytes())
        if folder is not None:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f'cannot make the folder {folder}: {error.strerror}') from error

    def search(self, frames: Sequence[np.ndarray], box: np.ndarray) -> FoundBoxes:
        """Candidates in the frames after the first, in which the target is given by box (4,) xyxy.

        Raises DataError for a damaged file.
        """
        if self.folder is None:
            return search_clip(self.tracker, frames, box)
        path = self.folder / f'{self._key(frames, box)}.npz'
        if path.is_file():
            return read_found(path)
        found = search_clip(self.tracker, frames, box)
        with replacing(path) as file:
            np.savez(file, **{name: value for name, value in asdict(found).items() if value is not None})
        return found

    def _key(self, frames: Sequence[np.ndarray], box: np.ndarray) -> str:
        digest = self._model.copy()
        digest.update(np.asarray(box, float).tobytes())
        for frame in frames:
            digest.update(repr(frame.shape).encode() + np.ascontiguousarray(frame).tobytes())
        return digest.hexdigest()[:32]


def search_clip(tracker: Tracker, frames: Sequence[np.ndarray], box: np.ndarray) -> FoundBoxes:
    """Candidates of one target in the frames after the first, a few frames at a time.

    Raises InputError for a clip of one frame, or a tracker that has no candidates.
    """
    if len(frames) < 2:
        raise InputError(f'expected a clip of at least two frames, got {len(frames)}')
    state = tracker.encode(frames[0], np.asarray(box)[None])
    step = tracker.batch_frames
    parts = [
        tracker.candidates(frames[start : start + step], state).to('cpu')
        for start in range(1, len(frames), step)
    ]
    found = Candidates.cat(parts)
    template = getattr(state, 'templates', None)  # what trackers with embeddings call them
    return FoundBoxes(
        given=np.asarray(box, float),
        template=None if template is None or found.embeddings is None else template[0].cpu().double().numpy(),
        boxes=found.boxes[:, 0].double().numpy(),
        scores=found.scores[:, 0].double().numpy(),
        valid=found.valid[:, 0].numpy(),
        embeddings=None if found.embeddings is None else found.embeddings[:, 0].double().numpy(),
    )


def read_found(path: Path) -> FoundBoxes:
    """Raises DataError for a damaged file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            needed = {name: file[name] for name in ('given', 'boxes', 'scores', 'valid')}
            return FoundBoxes(**needed, template=file.get('template'), embeddings=file.get('embeddings'))
    except (OSError, EOFError, TypeError, ValueError, KeyError, BadZipFile) as error:
        # TypeError: an array, no archive of them
        raise DataError(f'{path} is damaged: remove it, and the clip is searched again') from error
