"""The files that ``mmgtrack track`` writes."""

import contextlib
from contextlib import ExitStack
from pathlib import Path

from mmgtrack.apis import Frame, Sink, TrackCsv, TrackVideo
from mmgtrack.cli.output_folder import result_names
from mmgtrack.errors import MMGTrackError, OutputError
from mmgtrack.structures import Tracks


class ResultFiles:
    """A row file for each target and, if wanted, a video, in one folder; a `Sink`.

    The folder is created; if a file in it cannot be, what was created is removed and OutputError raised.
    """

    def __init__(self, folder: Path, num_targets: int, *, video: bool, fps: float | None) -> None:
        self.paths = [folder / name for name in result_names(num_targets, video=video)]
        self._sinks: list[Sink] = []
        made_folder = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for target, path in enumerate(self.paths[:num_targets]):
                self._sinks.append(TrackCsv(path, target))
            if video:
                self._sinks.append(TrackVideo(self.paths[-1], fps))
        except (OSError, MMGTrackError) as error:
            self._remove(folder if made_folder else None)
            if isinstance(error, MMGTrackError):
                raise
            raise OutputError(f'{folder}: cannot be created: {error.strerror or error}') from error

    def put(self, frame: Frame, tracks: Tracks) -> None:
        for sink in self._sinks:
            sink.put(frame, tracks)

    def close(self) -> None:
        """Finish every file, also where finishing another fails."""
        with ExitStack() as stack:
            for sink in self._sinks:
                stack.callback(sink.close)

    def _remove(self, folder: Path | None) -> None:
        opened = self.paths[: len(self._sinks)]
        with contextlib.suppress(OSError):
            self.close()
        for path in opened:
            path.unlink(missing_ok=True)
        if folder is not None:
            with contextlib.suppress(OSError):
                folder.rmdir()
