"""DMTrack: one-shot detection by generated convolutions, re-identification, association of look-alikes."""

from mmgtrack.models.dm_track.dm_track import DMTrack, DMTrackState
from mmgtrack.models.dm_track.fcos_head import DynamicFCOSHead
from mmgtrack.models.dm_track.re_id_head import ReIDHead
from mmgtrack.models.dm_track.task_weights import LearnedTaskWeights

__all__ = ['DMTrack', 'DMTrackState', 'DynamicFCOSHead', 'LearnedTaskWeights', 'ReIDHead']
