"""From files to training samples: readers, clip sampling, transforms, synthetic clips."""

from mmgtrack.datasets.benchmarks import BenchmarkReader, GOT10k, LaSOT
from mmgtrack.datasets.catalogue import DataSet, available_data_sets, find_data_set, reader_config
from mmgtrack.datasets.causal_sampler import CausalSampler
from mmgtrack.datasets.chronological_sampler import ChronologicalSampler
from mmgtrack.datasets.clip_dataset import ClipDataset
from mmgtrack.datasets.clip_sampler import ClipSampler
from mmgtrack.datasets.coco_images import CocoImages
from mmgtrack.datasets.coco_instances import CocoInstances
from mmgtrack.datasets.davis import DAVIS
from mmgtrack.datasets.epoch_sampler import EpochSampler
from mmgtrack.datasets.frame_filter import FrameFilter
from mmgtrack.datasets.look_alikes import look_alike_clip
from mmgtrack.datasets.oxuva import OxUvA
from mmgtrack.datasets.sequence import Reader, Sequence, read_frame
from mmgtrack.datasets.sequence_folder import SequenceFolder
from mmgtrack.datasets.synthetic import SyntheticClip, synthetic_clip, write_sequence
from mmgtrack.datasets.tracking_net import TrackingNet
from mmgtrack.datasets.transforms import (
    CropTarget,
    FlagLost,
    KeepPadding,
    LoadFrame,
    RandomBlur,
    RandomBrightness,
    RandomChannelOrder,
    RandomErase,
    RandomGrey,
    RandomJPEG,
    RandomMirror,
    RandomTargetSize,
    RandomZoom,
    RejectPadded,
    SharedDraw,
)
from mmgtrack.datasets.trident_sampler import TridentSampler
from mmgtrack.datasets.uniform_clip_sampler import UniformClipSampler
from mmgtrack.datasets.video_boxes import VideoBoxes
from mmgtrack.datasets.vot import VOT

__all__ = [
    'DAVIS',
    'VOT',
    'BenchmarkReader',
    'CausalSampler',
    'ChronologicalSampler',
    'ClipDataset',
    'ClipSampler',
    'CocoImages',
    'CocoInstances',
    'CropTarget',
    'DataSet',
    'EpochSampler',
    'FlagLost',
    'FrameFilter',
    'GOT10k',
    'KeepPadding',
    'LaSOT',
    'LoadFrame',
    'OxUvA',
    'RandomBlur',
    'RandomBrightness',
    'RandomChannelOrder',
    'RandomErase',
    'RandomGrey',
    'RandomJPEG',
    'RandomMirror',
    'RandomTargetSize',
    'RandomZoom',
    'Reader',
    'RejectPadded',
    'Sequence',
    'SequenceFolder',
    'SharedDraw',
    'SyntheticClip',
    'TrackingNet',
    'TridentSampler',
    'UniformClipSampler',
    'VideoBoxes',
    'available_data_sets',
    'find_data_set',
    'look_alike_clip',
    'read_frame',
    'reader_config',
    'synthetic_clip',
    'write_sequence',
]
