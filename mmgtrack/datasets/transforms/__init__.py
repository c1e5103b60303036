"""Image transforms that mmcv and mmdet lack; the rest of a pipeline is theirs."""

from mmgtrack.datasets.transforms.colour import RandomChannelOrder
from mmgtrack.datasets.transforms.degrade import RandomBlur, RandomErase, RandomGrey, RandomJPEG
from mmgtrack.datasets.transforms.load import LoadFrame
from mmgtrack.datasets.transforms.shared import SharedDraw
from mmgtrack.datasets.transforms.zoom import RandomZoom

__all__ = [
    'LoadFrame',
    'RandomBlur',
    'RandomChannelOrder',
    'RandomErase',
    'RandomGrey',
    'RandomJPEG',
    'RandomZoom',
    'SharedDraw',
]
