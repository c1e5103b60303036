"""Where ``mmgtrack track`` writes, decided before anything heavy is loaded."""

import os
import re
from pathlib import Path

from mmgtrack.errors import OutputError

_VIDEO_NAME = 'tracked.mp4'


def result_names(num_targets: int, *, video: bool) -> list[str]:
    """File names of a run: ``track_1.csv`` ... and, last, the video's."""
    return [f'track_{number}.csv' for number in range(1, num_targets + 1)] + [_VIDEO_NAME] * video


def default_folder(source: str) -> Path:
    """A folder that is not there yet: ``clip.mp4`` -> ``clip_tracks``, then ``clip_tracks_2``."""
    stem = 'stream' if '://' in source else f'camera{source}' if source.isdigit() else Path(source).stem
    base = f'{re.sub(r"[^0-9A-Za-z._-]+", "_", stem).strip("._") or "frames"}_tracks'
    folder, number = Path(base), 1
    while os.path.exists(folder):
        number += 1
        folder = Path(f'{base}_{number}')
    return folder


def check_folder(folder: Path, num_targets: int, *, video: bool) -> Path:
    """Refuse a folder that cannot take the results, without creating anything.

    Raises OutputError if it is a file, cannot be written, or holds results of an earlier run that this run
    would leave beside its own.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))
    if not existing.is_dir():
        raise OutputError(f'{existing}: not a folder; results need one (--out DIR)')
    if not os.access(existing, os.W_OK | os.X_OK):
        raise OutputError(f'{existing}: no permission to write there')
    ours = set(result_names(num_targets, video=video))
    stale = [path for path in folder.glob('track*') if _is_result(path.name) and path.name not in ours]
    if stale:
        raise OutputError(
            f'{stale[0]}: left by another run and not replaced by this one; remove it or choose another --out'
        )
    return folder


def check_not_source(folder: Path, source: str, num_targets: int, *, video: bool) -> None:
    """Refuse a folder in which a result would take the place of the source, or of one of its frames."""
    for name in result_names(num_targets, video=video):
        result = folder / name
        if result.exists() and (_is_same(result, Path(source)) or _is_same(result.parent, Path(source))):
            raise OutputError(f'{result}: this result would replace the source; choose another --out')


def _is_same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _is_result(name: str) -> bool:
    return name == _VIDEO_NAME or re.fullmatch(r'track_\d+\.csv', name) is not None
