"""Trackers by name, video in, tracks out."""

from mmgtrack.apis.results import Sink, TrackCsv, TrackVideo, VideoWriter
from mmgtrack.apis.sources import Frame, FrameReader, FrameSource, SourceWarning, open_source, to_bgr8
from mmgtrack.apis.streaming import stream_tracks, track_reader

__all__ = [
    'Frame',
    'FrameReader',
    'FrameSource',
    'Sink',
    'SourceWarning',
    'TrackCsv',
    'TrackVideo',
    'VideoWriter',
    'open_source',
    'stream_tracks',
    'to_bgr8',
    'track_reader',
]
