"""Tracks that a person has looked through, with their video, as a sequence folder to train on."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from mmgtrack.apis.sources import Frame, FrameReader, open_source
from mmgtrack.errors import DataError, InputError, MMGTrackError, OutputError
from mmgtrack.formats.disk import read_text
from mmgtrack.formats.track_csv import parse_track_csv

JPEG_QUALITY = 95  # OpenCV's own


@dataclass(frozen=True)
class Labels:
    """What is known of F frames in a row.

    first: number of the first of them in the video, from 0. boxes_xywh: (F, 4) float64 pixels, nan where no
    track has a box that it believes. absent: (F,) bool, where a person says that the target is not there.
    """

    first: int
    boxes_xywh: np.ndarray
    absent: np.ndarray

    @property
    def num_boxes(self) -> int:
        return int(np.isfinite(self.boxes_xywh).all(1).sum())

    @property
    def num_open(self) -> int:
        """Frames of which nothing is known."""
        return len(self.absent) - self.num_boxes - int(self.absent.sum())


def write_sequence_folder(
    video: str | os.PathLike[str],
    tracks: Sequence[str | os.PathLike[str]],
    folder: str | os.PathLike[str],
    absences: Sequence[tuple[int, int]] = (),
) -> Labels:
    """Write one target's frames and boxes as a folder that ``SequenceFolder`` reads with nan_means='unknown'.

    tracks: files of ``mmgtrack track``, each of which holds until the next begins, so that a track which goes
    wrong is mended by one from a later box. absences: (first, last) frames in which the target is not there.
    Frames in which a track calls its target absent stay without a box, and so do those between two tracks.
    Raises DataError for tracks that do not fit, SourceError, OutputError also for a folder that is there.
    """
    labels = merge_tracks(tracks, absences)
    source = open_source(video)
    if source.is_live:
        raise InputError(f'{video} is live: labels need a file or a folder of images')
    with _new_folder(Path(folder)) as partial:
        (partial / 'img').mkdir()
        with FrameReader(source, labels.first) as reader:
            num_frames = _write_frames(reader, labels, partial / 'img')
        if num_frames < len(labels.absent):
            raise DataError(
                f'{video} ends after frame {labels.first + num_frames - 1}, the tracks speak of frame '
                f'{labels.first + len(labels.absent) - 1}: they are of another video'
            )
        np.savetxt(partial / 'groundtruth.txt', labels.boxes_xywh, fmt='%.6g', delimiter=',')
        np.savetxt(partial / 'absent.txt', labels.absent, fmt='%d')
    return labels


def merge_tracks(
    tracks: Sequence[str | os.PathLike[str]], absences: Sequence[tuple[int, int]] = ()
) -> Labels:
    """The labels that tracks make together; see ``write_sequence_folder``."""
    parts = [parse_track_csv(read_text(Path(path)), str(path)) for path in tracks]
    parts.sort(key=lambda part: part.first)
    first = parts[0].first
    boxes = np.full((max(part.first + len(part.present) for part in parts) - first, 4), np.nan)
    for part, following in pairwise(parts):
        if part.first == following.first:
            raise DataError(f'two of the tracks begin at frame {part.first}: which one holds?')
    for part in parts:
        boxes[part.first - first :] = np.nan  # those before it hold no longer
        boxes[part.first - first :][: len(part.present)][part.present] = part.boxes[part.present]
    absent = _absent(first, len(boxes), absences)
    boxes[absent] = np.nan
    return Labels(first, boxes, absent)


def _absent(first: int, count: int, absences: Sequence[tuple[int, int]]) -> np.ndarray:
    """(count,) bool: which frames from ``first`` on lie in an absence."""
    absent = np.zeros(count, dtype=bool)
    end = first + count - 1
    for start, last in absences:
        if not first <= start <= last <= end:
            raise InputError(f'an absence is FIRST-LAST among the frames {first}-{end}, got {start}-{last}')
        absent[start - first : last - first + 1] = True
    return absent


def _write_frames(frames: Iterator[Frame], labels: Labels, folder: Path) -> int:
    """Frames as JPEG files that carry their number in the video; how many there were."""
    count = 0
    for _, frame in zip(labels.absent, frames, strict=False):
        path = folder / f'{frame.index:06d}.jpg'
        if not cv2.imwrite(str(path), frame.image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]):
            raise OutputError(f'cannot write {path}')
        count += 1
    return count


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A folder that takes its name only when the block ends well."""
    if folder.exists():
        raise OutputError(f'{folder} is there already: remove it, or choose another folder')
    partial: Path | None = None
    try:
        if not folder.parent.exists():
            folder.parent.mkdir(parents=True)
        partial = Path(tempfile.mkdtemp(prefix=f'.{folder.name}.', dir=folder.parent))
        partial.chmod(0o777 & ~_umask())  # as any new folder; temporary ones are for their owner alone
        yield partial
        partial.rename(folder)
    except MMGTrackError:  # which may be a kind of OSError, and says more
        raise
    except OSError as error:
        raise OutputError(f'cannot write {folder}: {error.strerror or error}') from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _umask() -> int:
    """What new files are not allowed; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
