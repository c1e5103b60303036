"""GlobalTrack: query-guided RPN and R-CNN over the whole frame."""

from mmgtrack.models.global_track.global_track import GlobalTrack, GlobalTrackState
from mmgtrack.models.global_track.inclusive_boxes import (
    InclusiveBboxOverlaps2D,
    InclusiveDeltaXYWHBBoxCoder,
    InclusiveRoIExtractor,
)
from mmgtrack.models.global_track.query_roi_head import QueryRoIHead, RoIModulator
from mmgtrack.models.global_track.query_rpn_head import QueryRPNHead
from mmgtrack.models.global_track.unguided import NoCorrelation, NoModulation

__all__ = [
    'GlobalTrack',
    'GlobalTrackState',
    'InclusiveBboxOverlaps2D',
    'InclusiveDeltaXYWHBBoxCoder',
    'InclusiveRoIExtractor',
    'NoCorrelation',
    'NoModulation',
    'QueryRPNHead',
    'QueryRoIHead',
    'RoIModulator',
]
