"""Where frames come from: files, folders, cameras, stream addresses, iterators of arrays."""

from mmgtrack.apis.sources.base import Frame, FrameSource, SourceWarning
from mmgtrack.apis.sources.images import read_image, to_bgr8
from mmgtrack.apis.sources.opener import open_source
from mmgtrack.apis.sources.reader import FrameReader, LivePolicy

__all__ = [
    'Frame',
    'FrameReader',
    'FrameSource',
    'LivePolicy',
    'SourceWarning',
    'open_source',
    'read_image',
    'to_bgr8',
]
