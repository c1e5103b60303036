"""PointTrack, for small targets in whole frames."""

from mmgtrack.models.point_track.centre_head import CentreHead
from mmgtrack.models.point_track.max_point_loss import MaxPointLoss
from mmgtrack.models.point_track.point_head import PointHead
from mmgtrack.models.point_track.point_track import PointTrack, PointTrackState

__all__ = ['CentreHead', 'MaxPointLoss', 'PointHead', 'PointTrack', 'PointTrackState']
