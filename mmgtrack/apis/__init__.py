"""Trackers by name, video in, tracks out."""

from mmgtrack.apis.calibrate import CalibrationReport, calibrate
from mmgtrack.apis.models import build_tracker, load_config
from mmgtrack.apis.results import Sink, TrackCsv, TrackVideo, VideoWriter
from mmgtrack.apis.sources import Frame, FrameReader, FrameSource, SourceWarning, open_source, to_bgr8
from mmgtrack.apis.streaming import stream_tracks, track_reader
from mmgtrack.apis.tracker import Tracker
from mmgtrack.zoo import ModelInfo, list_models

__all__ = [
    'CalibrationReport',
    'Frame',
    'FrameReader',
    'FrameSource',
    'ModelInfo',
    'Sink',
    'SourceWarning',
    'TrackCsv',
    'TrackVideo',
    'Tracker',
    'VideoWriter',
    'build_tracker',
    'calibrate',
    'list_models',
    'load_config',
    'open_source',
    'stream_tracks',
    'to_bgr8',
    'track_reader',
]
