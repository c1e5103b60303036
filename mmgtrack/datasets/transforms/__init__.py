"""Image transforms that mmcv and mmdet lack; the rest of a pipeline is theirs."""

from mmgtrack.datasets.transforms.brightness import RandomBrightness
from mmgtrack.datasets.transforms.colour import RandomChannelOrder
from mmgtrack.datasets.transforms.crop_target import CropTarget
from mmgtrack.datasets.transforms.degrade import RandomBlur, RandomErase, RandomGrey, RandomJPEG
from mmgtrack.datasets.transforms.flag_lost import FlagLost
from mmgtrack.datasets.transforms.load import LoadFrame
from mmgtrack.datasets.transforms.mirror import RandomMirror
from mmgtrack.datasets.transforms.padding import KeepPadding, RejectPadded
from mmgtrack.datasets.transforms.shared import SharedDraw
from mmgtrack.datasets.transforms.target_size import RandomTargetSize
from mmgtrack.datasets.transforms.zoom import RandomZoom

__all__ = [
    'CropTarget',
    'FlagLost',
    'KeepPadding',
    'LoadFrame',
    'RandomBlur',
    'RandomBrightness',
    'RandomChannelOrder',
    'RandomErase',
    'RandomGrey',
    'RandomJPEG',
    'RandomMirror',
    'RandomTargetSize',
    'RandomZoom',
    'RejectPadded',
    'SharedDraw',
]
