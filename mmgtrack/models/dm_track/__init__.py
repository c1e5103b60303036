"""DMTrack: dynamic convolutions, and an embedding that tells look-alikes apart."""

from mmgtrack.models.dm_track.re_id_head import ReIDHead
from mmgtrack.models.dm_track.task_weights import LearnedTaskWeights

__all__ = ['LearnedTaskWeights', 'ReIDHead']
