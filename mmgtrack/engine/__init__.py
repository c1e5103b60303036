"""What mmengine's Runner lacks for clips: CPU autocast, seeding, sequence evaluation."""

from mmgtrack.engine.hooks import SeedHook
from mmgtrack.engine.optim_wrapper import CPUAmpOptimWrapper
from mmgtrack.engine.sequence_loop import SequenceTestLoop, SequenceValLoop

__all__ = ['CPUAmpOptimWrapper', 'SeedHook', 'SequenceTestLoop', 'SequenceValLoop']
