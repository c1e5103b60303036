"""From files to training samples: readers, clip sampling, transforms, synthetic clips."""

from mmgtrack.datasets.clip_dataset import ClipDataset
from mmgtrack.datasets.clip_sampler import ClipSampler
from mmgtrack.datasets.coco_images import CocoImages
from mmgtrack.datasets.epoch_sampler import EpochSampler
from mmgtrack.datasets.sequence import Reader, Sequence, read_frame
from mmgtrack.datasets.sequence_folder import SequenceFolder
from mmgtrack.datasets.synthetic import SyntheticClip, synthetic_clip, write_sequence
from mmgtrack.datasets.transforms import (
    LoadFrame,
    RandomBlur,
    RandomErase,
    RandomGrey,
    RandomJPEG,
    RandomZoom,
)

__all__ = [
    'ClipDataset',
    'ClipSampler',
    'CocoImages',
    'EpochSampler',
    'LoadFrame',
    'RandomBlur',
    'RandomErase',
    'RandomGrey',
    'RandomJPEG',
    'RandomZoom',
    'Reader',
    'Sequence',
    'SequenceFolder',
    'SyntheticClip',
    'read_frame',
    'synthetic_clip',
    'write_sequence',
]
