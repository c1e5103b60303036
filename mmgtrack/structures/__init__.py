"""Value types: what goes into a tracker, what comes out, and what it remembers."""

from mmgtrack.structures.calibration import Calibration
from mmgtrack.structures.candidates import Candidates
from mmgtrack.structures.clip_sample import ClipSample, role_padding
from mmgtrack.structures.state import State
from mmgtrack.structures.tracks import Tracks

__all__ = ['Calibration', 'Candidates', 'ClipSample', 'State', 'Tracks', 'role_padding']
