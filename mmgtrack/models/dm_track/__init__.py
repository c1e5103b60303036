"""DMTrack: one-shot detection by generated convolutions, re-identification, association of look-alikes."""

from mmgtrack.models.dm_track.dm_track import DMTrack, DMTrackState
from mmgtrack.models.dm_track.fcos_head import DynamicFCOSHead

__all__ = ['DMTrack', 'DMTrackState', 'DynamicFCOSHead']
