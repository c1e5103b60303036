"""Data sampler that numbers samples over all epochs."""

from collections.abc import Iterator, Sized

from mmengine.dist import get_dist_info
from torch.utils.data import Sampler

from mmgtrack.errors import InputError
from mmgtrack.registry import DATA_SAMPLERS


@DATA_SAMPLERS.register_module()
class EpochSampler(Sampler[int]):
    """Yields sample numbers n = epoch * len(dataset) + i: epochs never repeat a sample, resuming goes on.

    Rank r of R yields i = r, r + R, ...: a batch of all ranks together holds the same samples as the
    batch of one process that is R times as large. Where R does not divide the epoch, the last ranks take
    its first samples once more (mmengine's rule), so that all ranks make equally many steps.

    Args:
        dataset: must answer any n >= 0, and its length is the number of samples an epoch.
        seed: ignored; mmengine's Runner passes one to every sampler, while a ClipDataset has its own.
    """

    def __init__(self, dataset: Sized, seed: int | None = None) -> None:
        del seed
        self.num_samples = len(dataset)
        self.rank, self.world_size = get_dist_info()
        self.epoch = 0
        self._first = 0

    def __len__(self) -> int:
        """Samples of this rank in one epoch."""
        return -(-self.num_samples // self.world_size)

    def __iter__(self) -> Iterator[int]:
        first = self.epoch * self.num_samples
        for step in range(self._first, len(self)):
            yield first + (step * self.world_size + self.rank) % self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Called by mmengine before each epoch, also after a resume."""
        self.epoch = epoch
        self._first = 0

    def skip(self, num_samples: int) -> None:
        """Pass over so many of this rank's samples of the epoch; they are not loaded.

        Raises InputError for a number that the epoch does not have.
        """
        if not 0 <= num_samples <= len(self):
            raise InputError(
                f'the samples to pass over must be from 0 to the {len(self)} of an epoch, got {num_samples}'
            )
        self._first = num_samples
