"""From what a user types to a source of frames."""

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmgtrack.apis.sources.arrays import ArraySource
from mmgtrack.apis.sources.base import FrameSource
from mmgtrack.apis.sources.folder import ImageFiles, is_image_name, natural_key
from mmgtrack.apis.sources.live import LiveSource
from mmgtrack.apis.sources.video import VideoFile
from mmgtrack.errors import InputError, SourceError

_ADDRESS = re.compile(r'^[a-zA-Z][a-zA-Z0-9+.-]+://')


def open_source(source: Any) -> FrameSource:
    """Open a video file, folder of images, glob pattern, camera, stream address, or iterable of arrays.

    source: path; ``'frames/*.jpg'``; camera number (``0`` or ``'0'``); ``'rtsp://...'``, ``'http://...'``;
    iterable of images (see `ArraySource`); an opened `FrameSource` is returned as it is.

    Raises SourceError if it cannot be opened, InputError if it is nothing of the kind.
    """
    if isinstance(source, FrameSource):
        return source
    if isinstance(source, int) and not isinstance(source, bool):
        return _open_camera(source)
    if isinstance(source, (str, os.PathLike)):
        return _open_text(os.fspath(source))
    if isinstance(source, Iterable):
        return ArraySource(source)
    raise InputError(
        f'a source is a path, glob pattern, camera number, stream address or iterable of frames, '
        f'got {type(source).__name__}'
    )


def _open_text(text: str) -> FrameSource:
    path = Path(text)
    if not text or '\0' in text:
        raise SourceError(f'{text!r}: not a path')
    if os.path.exists(path):  # a file named '0' or with brackets in its name is a file
        return _open_path(path)
    if text.isascii() and text.isdigit():
        return _open_camera(int(text))
    if _ADDRESS.match(text):
        return LiveSource(text)
    if glob.has_magic(text):
        return _open_glob(text)
    raise SourceError(f'{text}: no such file or folder')


def _open_camera(number: int) -> LiveSource:
    if number < 0:
        raise InputError(f'a camera number must be >= 0, got {number}')
    return LiveSource(number)


def _open_path(path: Path) -> FrameSource:
    if path.is_dir():
        return ImageFiles.from_folder(path)
    if is_image_name(path):
        return ImageFiles(str(path), [path])
    return VideoFile(path)


def _open_glob(pattern: str) -> FrameSource:
    found = [Path(match) for match in glob.glob(pattern, recursive=True)]
    images = sorted((p for p in found if p.is_file() and is_image_name(p)), key=natural_key)
    if images:
        return ImageFiles(pattern, images)
    if len(found) == 1:
        return _open_path(found[0])
    if not found:
        raise SourceError(f'{pattern}: no file matches')
    raise SourceError(f'{pattern}: matches {len(found)} files and no image; give one video at a time')
