"""Images that training could not read: counted, listed, and too many of them stop the run."""

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import all_gather_object, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmgtrack.errors import DataError
from mmgtrack.files import replacing
from mmgtrack.registry import HOOKS
from mmgtrack.structures import ClipSample

LIST_NAME = 'broken_images.txt'
MAX_LINES = 10
"""New files that are logged one by one; the list has all."""


@HOOKS.register_module()
class BrokenImagesHook(Hook):
    """Report what ``ClipDataset`` passed over because an image was missing, cut off or damaged.

    A line in the log for each such file, a total after each epoch, and all of them in ``broken_images.txt``
    in the work folder, a path a line. A run that is resumed goes on with that list; samples are counted anew.
    A few such files are no reason to lose a night; many are a disk or a download that has failed.

    Args:
        max_share, max_samples: the run is stopped where more than this share of its samples and more than
            this number of them had to be drawn anew (ours).
        interval: steps after which several processes tell each other.

    Raises DataError to stop the run.
    """

    def __init__(self, max_share: float = 0.01, max_samples: int = 100, interval: int = 50) -> None:
        self.max_share = max_share
        self.max_samples = max_samples
        self.interval = interval
        self.known: dict[str, str] = {}
        self.samples = self.redrawn = 0
        self._news: tuple[int, int, dict[str, str]] = (0, 0, {})

    def before_train(self, runner: Runner) -> None:
        self.file = Path(runner.work_dir) / LIST_NAME
        if runner._resume and self.file.is_file():
            self.known = dict.fromkeys(self.file.read_text(encoding='utf-8').splitlines(), '')
        elif is_main_process():
            self.file.unlink(missing_ok=True)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        # a loader of another package has samples of its own
        batch = data_batch.get('data_samples', ()) if isinstance(data_batch, dict) else ()
        broken = [sample.get('broken_images', {}) for sample in batch if isinstance(sample, ClipSample)]
        samples, redrawn, files = self._news
        for found in broken:
            files.update(found)
        self._news = samples + len(broken), redrawn + sum(map(bool, broken)), files
        if get_world_size() == 1 or self.every_n_train_iters(runner, self.interval):
            self._collect(runner)

    def after_train_epoch(self, runner: Runner) -> None:
        self._collect(runner)
        if self.redrawn:
            runner.logger.warning(self._total())

    def _collect(self, runner: Runner) -> None:
        """Add what all processes have met since the last time; all of them come to the same numbers."""
        new: dict[str, str] = {}
        for samples, redrawn, files in all_gather_object(self._news):
            self.samples += samples
            self.redrawn += redrawn
            new.update({path: reason for path, reason in files.items() if path not in self.known})
        self._news = (0, 0, {})
        if new:
            self.known.update(new)
            self._report(runner, list(new.values()))
        if self.redrawn > max(self.max_samples, self.max_share * self.samples):
            raise DataError(
                f'{self._total()}: more than max_share={self.max_share} and max_samples={self.max_samples} '
                'of BrokenImagesHook allow; mend the files, or raise default_hooks.broken_images.max_share'
            )

    def _report(self, runner: Runner, reasons: list[str]) -> None:
        for reason in reasons[:MAX_LINES]:
            runner.logger.warning(f'passed over: {reason}')
        if len(reasons) > MAX_LINES:
            runner.logger.warning(f'passed over: {len(reasons) - MAX_LINES} more images, see {self.file}')
        if is_main_process():
            with replacing(self.file) as file:
                file.write(''.join(f'{path}\n' for path in self.known).encode())

    def _total(self) -> str:
        share = 100 * self.redrawn / self.samples
        return (
            f'{self.redrawn} of {self.samples} samples ({share:.2g} %) were drawn anew because of '
            f'{len(self.known)} broken images, listed in {self.file}'
        )


def add_broken_images_hook(settings: Config) -> None:
    """Have the hook in every run; ``default_hooks.broken_images`` holds its options, or None for no hook."""
    hooks = settings.get('default_hooks') or {}
    options = hooks.get('broken_images', {})
    if options is not None:
        settings.default_hooks = {**hooks, 'broken_images': {'type': 'mmgtrack.BrokenImagesHook', **options}}
