"""From files to training samples: readers, clip sampling, transforms, synthetic clips."""

from mmgtrack.datasets.benchmarks import GOT10k, LaSOT
from mmgtrack.datasets.clip_dataset import ClipDataset
from mmgtrack.datasets.clip_sampler import ClipSampler
from mmgtrack.datasets.coco_images import CocoImages
from mmgtrack.datasets.epoch_sampler import EpochSampler
from mmgtrack.datasets.frame_filter import FrameFilter
from mmgtrack.datasets.sequence import Reader, Sequence, read_frame
from mmgtrack.datasets.sequence_folder import SequenceFolder
from mmgtrack.datasets.synthetic import SyntheticClip, synthetic_clip, write_sequence
from mmgtrack.datasets.transforms import (
    LoadFrame,
    RandomBlur,
    RandomChannelOrder,
    RandomErase,
    RandomGrey,
    RandomJPEG,
    RandomZoom,
    SharedDraw,
)
from mmgtrack.datasets.uniform_clip_sampler import UniformClipSampler

__all__ = [
    'ClipDataset',
    'ClipSampler',
    'CocoImages',
    'EpochSampler',
    'FrameFilter',
    'GOT10k',
    'LaSOT',
    'LoadFrame',
    'RandomBlur',
    'RandomChannelOrder',
    'RandomErase',
    'RandomGrey',
    'RandomJPEG',
    'RandomZoom',
    'Reader',
    'Sequence',
    'SequenceFolder',
    'SharedDraw',
    'SyntheticClip',
    'UniformClipSampler',
    'read_frame',
    'synthetic_clip',
    'write_sequence',
]
