"""What mmengine's Runner lacks here: training on processors, seeding, sequences, reports on weights."""

from mmgtrack.engine.broken_images import BrokenImagesHook
from mmgtrack.engine.checkpoint_hook import CheckpointHook
from mmgtrack.engine.distributed import TrackerDistributedDataParallel
from mmgtrack.engine.hooks import SeedHook, WeightReportHook
from mmgtrack.engine.optim_wrapper import CPUAmpOptimWrapper
from mmgtrack.engine.sequence_loop import SequenceTestLoop, SequenceValLoop
from mmgtrack.engine.train_loops import EpochBasedTrainLoop, IterBasedTrainLoop

__all__ = [
    'BrokenImagesHook',
    'CPUAmpOptimWrapper',
    'CheckpointHook',
    'EpochBasedTrainLoop',
    'IterBasedTrainLoop',
    'SeedHook',
    'SequenceTestLoop',
    'SequenceValLoop',
    'TrackerDistributedDataParallel',
    'WeightReportHook',
]
