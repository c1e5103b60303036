"""mmengine's loops over training data, which go on in the middle of an epoch at the very next sample."""

import logging
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop as _EpochBasedTrainLoop
from mmengine.runner import IterBasedTrainLoop as _IterBasedTrainLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch.utils.data import DataLoader

from mmgtrack.datasets.epoch_sampler import EpochSampler
from mmgtrack.errors import CheckpointError, InputError
from mmgtrack.registry import LOOPS


def batch_size_of(loader: DataLoader) -> int:
    """Of one process; also where a sampler of the config's own makes the batches."""
    return int(loader.batch_size or loader.batch_sampler.batch_size)  # type: ignore[union-attr]


def check_epoch(loader: DataLoader) -> None:
    """Raises InputError for an epoch without a single batch: a run would train nothing and not say so."""
    if isinstance(loader.sampler, InfiniteSampler) or len(loader):
        return
    samples = len(loader.dataset)  # type: ignore[arg-type]
    among = f' among {get_world_size()} processes' if get_world_size() > 1 else ''
    raise InputError(
        f'an epoch of {samples} samples holds no batch of {batch_size_of(loader)}{among}: '
        'raise train_dataloader.dataset.num_samples or lower train_dataloader.batch_size'
    )


@LOOPS.register_module()
class EpochBasedTrainLoop(_EpochBasedTrainLoop):
    """mmengine's, but an epoch that a checkpoint was written in is not started anew.

    What has been seen is passed over by its number, without being loaded.
    """

    _iter: int

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_epoch(self.dataloader)

    def run_epoch(self) -> None:
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        for number, batch in enumerate(self.dataloader, start=self._pass_over()):
            self.run_iter(number, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def renumber(self, batch: int, length: int, now: int) -> str:
        """Count iterations by this run's epochs, where those of the run before were others.

        batch, now: samples of an iteration, of all processes, then and now; length: iterations of an epoch
        then. Returns where in the epoch the run goes on, for people.
        """
        done = self._iter - self._epoch * length
        samples = done * batch
        done, again = (len(self.dataloader), 0) if done == length else divmod(samples, now)
        self._iter = self._epoch * len(self.dataloader) + done
        if done == len(self.dataloader):
            return f'behind the last batch of epoch {self._epoch + 1}'
        return f'{samples} samples into the epoch' + (f', {again} of them once more' if again else '')

    def _pass_over(self) -> int:
        """Have the sampler start behind the batches of this epoch that are done; returns their number.

        Raises CheckpointError where a resumed run has done more of them than the epoch has.
        """
        first = self._epoch * len(self.dataloader)
        done = self._iter - first
        if not 0 <= done <= len(self.dataloader):
            raise CheckpointError(
                f'the run to resume is {done} batches into epoch {self._epoch + 1}, which has '
                f'{len(self.dataloader)} here: give as many samples an epoch as it had, or more '
                '(train_dataloader.dataset.num_samples)'
            )
        if done and not hasattr(self.dataloader.sampler, 'skip'):
            print_log(
                f'{type(self.dataloader.sampler).__name__} cannot start in the middle of an epoch, as '
                'mmgtrack.EpochSampler can: this epoch starts anew',
                self.runner.logger,
                logging.WARNING,
            )
            self._iter, done = first, 0
        if done:
            # the last batch may be a smaller one
            sampler = self.dataloader.sampler
            sampler.skip(min(done * batch_size_of(self.dataloader), len(sampler)))
        return done


@LOOPS.register_module()
class IterBasedTrainLoop(_IterBasedTrainLoop):
    """mmengine's, but with an ``EpochSampler`` a resumed run does not count its epochs from 0 again."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_epoch(self.dataloader)
        self.dataloader_iterator = _EndlessBatches(self.dataloader)


class _EndlessBatches(_InfiniteDataloaderIterator):
    _dataloader: DataLoader

    def skip_iter(self, num_iters: int) -> None:
        sampler = self._dataloader.sampler
        if not isinstance(sampler, EpochSampler):
            super().skip_iter(num_iters)
            return
        self._epoch, done = divmod(num_iters, len(self._dataloader))
        sampler.set_epoch(self._epoch)
        sampler.skip(done * batch_size_of(self._dataloader))
