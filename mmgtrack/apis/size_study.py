"""Measure a tracker clip by clip against the size of its target, and keep what was measured."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mmgtrack.apis.tracker import Tracker
from mmgtrack.datasets.study_clips import StudyClip, StudySource
from mmgtrack.engine.manifest import device_name, hash_of_code
from mmgtrack.errors import DataError, MMGTrackError, OutputError
from mmgtrack.evaluation.size_bins import box_sizes, relative_sizes
from mmgtrack.evaluation.size_study import FrameRows
from mmgtrack.evaluation.success import iou
from mmgtrack.files import replacing
from mmgtrack.structures import State

FORMAT = 2


def rows_path(folder: Path, name: str, source: StudySource) -> Path:
    """Where the rows of a source are kept: those of other settings have another file."""
    settings = json.dumps(source.settings, sort_keys=True)
    return folder / f'{name}_{hashlib.sha256(settings.encode()).hexdigest()[:8]}.jsonl'


def key_of(model: str, source: StudySource, code: str, device: str) -> dict[str, Any]:
    """What rows depend on. model: its fingerprint; code: its hash; device: its name."""
    return dict(model=model, source=source.settings, code=code, device=device)


def trained_on(config: Mapping[str, Any], source: StudySource) -> list[str]:
    """Folders of a config's training data that have what a source measures with, or are in it."""
    root = source.settings.get('reader', {}).get('root')
    data = (config.get('train_dataloader') or {}).get('dataset') or {}
    roots = [each['root'] for each in data.get('sources') or () if each.get('root') is not None]
    return [each for each in roots if root is not None and _overlap(Path(each).resolve(), Path(root))]


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


class KeptRows:
    """Rows of clips in a file, a line a clip, so that a run that was ended goes on behind its last clip.

    key: what the rows depend on; rows of another key are removed. A line that was cut off is not counted.
    Raises OutputError where the file cannot be written.
    """

    def __init__(self, path: Path, key: Mapping[str, Any]) -> None:
        self.path = path
        self.clips: dict[str, FrameRows] = {}
        head = _head(key)
        lines = _lines(path)
        if lines[:1] == [head]:
            self.clips = _read_clips(path, lines[1:])
        else:
            lines = [head]
        with self._writing(), replacing(path) as file:
            file.write(''.join(f'{line}\n' for line in lines).encode())

    def add(self, clip: str, rows: FrameRows) -> None:
        with self._writing(), self.path.open('a', encoding='utf-8') as file:
            file.write(json.dumps({'clip': clip, **rows.as_dict()}) + '\n')
        self.clips[clip] = rows

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise OutputError(
                f'cannot write {self.path}: {error.strerror or error}; give another --out'
            ) from error


def _head(key: Mapping[str, Any]) -> str:
    return json.dumps({'format': FORMAT, **key}, sort_keys=True)


def _read_clips(path: Path, lines: Sequence[str]) -> dict[str, FrameRows]:
    try:
        contents = [json.loads(line) for line in lines]
        return {content.pop('clip'): FrameRows.from_dict(content) for content in contents}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DataError(f'{path} is damaged ({error!r}): remove it, and it is measured again') from error


def _lines(path: Path) -> list[str]:
    """The whole lines of a file; none of one that is not there or no text."""
    try:
        text = path.read_text(encoding='utf-8')
    except (FileNotFoundError, UnicodeDecodeError):
        return []
    except OSError as error:
        raise OutputError(f'cannot read {path}: {error.strerror}; give another --out') from error
    return text.split('\n')[:-1]


def measure_source(
    tracker: Tracker,
    source: StudySource,
    path: Path,
    report: Callable[[int, int], None] = lambda done, total: None,
    overwrite: bool = False,
    imports: Sequence[str] = (),
) -> tuple[FrameRows, list[str]]:
    """Rows of all clips, and a line for each clip that could not be tracked.

    path: what was measured by this tracker on this source is read from here, and added to it; overwrite:
    measure all of it anew. report: called with the number of clips done and their total; imports: modules
    that the tracker's config imports. Raises DataError where no clip could be tracked.
    """
    if overwrite:
        path.unlink(missing_ok=True)
    device = device_name(tracker.model.data_preprocessor.mean.device)
    kept = KeptRows(path, key_of(tracker.model.fingerprint, source, hash_of_code((), imports), device))
    names, problems = source.names, []
    for index, name in enumerate(names):
        if name not in kept.clips:
            try:
                rows = measure_clip(tracker, source[index])
            except MMGTrackError as error:
                problems.append(f'{name}: {" ".join(str(error).split())}')
            else:
                kept.add(name, rows)
        report(index + 1, len(names))
    found = [kept.clips[name] for name in names if name in kept.clips]
    if not found:
        raise DataError(f'no clip could be tracked: {problems[0] if problems else "there is none"}')
    return FrameRows.cat(found), problems


def measured_rows(path: Path, source: StudySource, key: Mapping[str, Any]) -> FrameRows | None:
    """What ``measure_source`` has kept of a whole source; None where clips are missing or of another key.

    key: of ``key_of``. Raises DataError for a damaged file.
    """
    head, *lines = _lines(path) or ['']
    clips = _read_clips(path, lines) if head == _head(key) else {}
    if not set(source.names) <= set(clips):
        return None
    return FrameRows.cat([clips[name] for name in source.names])


def measure_clip(tracker: Tracker, clip: StudyClip) -> FrameRows:
    """Follow the targets of a clip from its first frame on."""
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    step = max(1, tracker.batch_frames)
    parts = []
    for start in range(1, len(clip.frames), step):
        frames = [clip.frames[place] for place in range(start, min(start + step, len(clip.frames)))]
        points = _points(tracker, frames, state)
        tracks, state = tracker.track(frames, state)
        boxes = tracks.boxes.cpu().double().numpy()
        parts.append(
            _rows(
                clip,
                slice(start, start + len(frames)),
                [frame.shape[:2] for frame in frames],
                boxes,
                _centres(boxes) if points is None else points,
                tracks.scores.cpu().double().numpy(),
                tracks.present.cpu().numpy(),
            )
        )
    return FrameRows.cat(parts)


def _points(tracker: Tracker, frames: Sequence[np.ndarray], state: State) -> np.ndarray | None:
    """The highest points (N, M, 2) x, y of a tracker that has points, nan where there is none."""
    if not hasattr(tracker.model, 'points'):
        return None
    found = tracker.model.points(frames, state).top(1).to('cpu')
    points = _centres(found.boxes[:, :, 0].double().numpy())
    return np.where(found.valid[:, :, :1].numpy(), points, np.nan)


def _centres(boxes: np.ndarray) -> np.ndarray:
    centres: np.ndarray = (boxes[..., :2] + boxes[..., 2:]) / 2
    return centres


def _rows(
    clip: StudyClip,
    places: slice,
    sizes: Sequence[tuple[int, int]],
    boxes: np.ndarray,
    points: np.ndarray,
    scores: np.ndarray,
    judged: np.ndarray,
) -> FrameRows:
    """Of N frames of (height, width) with M targets; those without a label are left out."""
    truth = np.where(clip.present[places, :, None], clip.boxes[places], np.nan).astype(float)
    limits = np.array(sizes)[:, None]
    inside = np.clip(truth, 0, np.tile(limits[..., ::-1], 2))
    counted = clip.labelled[places] & (~clip.present[places] | np.isfinite(truth).all(-1))
    columns = dict(
        targets=np.broadcast_to(np.array(clip.targets), counted.shape),
        units=np.full(counted.shape, clip.unit),
        sizes=box_sizes(truth),
        relative=relative_sizes(inside, limits),  # of what a random point can hit
        hits=is_inside(points, truth),
        box_hits=is_inside(_centres(boxes), truth),
        ious=np.nan_to_num(iou(boxes, truth)),
        scores=scores,
        judged=judged,
    )
    return FrameRows(**{name: column[counted] for name, column in columns.items()})


def is_inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(...) bool: points (..., 2) x, y in boxes (..., 4) xyxy, x1 <= x < x2; never in a nan box."""
    along: np.ndarray = (boxes[..., :2] <= points) & (points < boxes[..., 2:])
    inside: np.ndarray = along[..., 0] & along[..., 1]
    return inside
