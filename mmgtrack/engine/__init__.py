"""What mmengine's Runner lacks here: training on processors, seeding, sequences, reports on weights."""

from mmgtrack.engine.broken_images import BrokenImagesHook
from mmgtrack.engine.distributed import TrackerDistributedDataParallel
from mmgtrack.engine.hooks import SeedHook, WeightReportHook
from mmgtrack.engine.optim_wrapper import CPUAmpOptimWrapper
from mmgtrack.engine.sequence_loop import SequenceTestLoop, SequenceValLoop

__all__ = [
    'BrokenImagesHook',
    'CPUAmpOptimWrapper',
    'SeedHook',
    'SequenceTestLoop',
    'SequenceValLoop',
    'TrackerDistributedDataParallel',
    'WeightReportHook',
]
