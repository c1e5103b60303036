"""Drawing tracks into frames."""

from mmgtrack.visualization.draw import PALETTE, draw_tracks

__all__ = ['PALETTE', 'draw_tracks']
