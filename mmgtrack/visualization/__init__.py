"""Drawing tracks into frames, and training samples on a sheet."""

from mmgtrack.visualization.draw import PALETTE, draw_tracks

__all__ = ['PALETTE', 'draw_tracks']
