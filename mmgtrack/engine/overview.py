"""How far all processes of a test have come, as the first of them sees it."""

import time
from collections.abc import Mapping

from mmengine.logging import MMLogger

from mmgtrack.engine.result_folder import ResultFolder
from mmgtrack.progress import TrackProgress

_LOOK_EVERY_S = 2.0


class Overview:
    """Reports tracked frames with the time left, and a line in the log for each sequence that is done.

    Frames of other processes count when their results are there.
    lengths: frames by name of the sequences that this run has to track; own: names of those of this process.
    """

    def __init__(
        self,
        folder: ResultFolder,
        lengths: Mapping[str, int],
        own: frozenset[str],
        logger: MMLogger,
        progress: TrackProgress,
    ) -> None:
        self._folder = folder
        self._others = {name: frames for name, frames in lengths.items() if name not in own}
        self._logger = logger
        self._progress = progress
        self._last_look = time.monotonic()

    def advance(self, count: int) -> None:
        """Count frames of this process."""
        self._progress.advance(count)
        if self._others and time.monotonic() - self._last_look >= _LOOK_EVERY_S:
            self.look()

    def look(self) -> None:
        """Count what other processes have finished since the last time."""
        self._last_look = time.monotonic()
        for name in [name for name in self._others if self._folder.has(name)]:
            frames = self._others.pop(name)
            self._progress.advance(frames)
            self._logger.info(f'tracked {name}: {frames} frames')
