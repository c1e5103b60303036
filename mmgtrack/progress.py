"""How far tracking has come: a bar on a terminal, now and then a line elsewhere."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

_LINE_EVERY_S = 10.0


class TrackProgress:
    """Report tracked frames on stderr.

    total: frames to expect, None if unknown; is_estimate: shown with a ``~``; quiet: report nothing.
    """

    def __init__(self, total: int | None, *, is_estimate: bool = False, quiet: bool = False) -> None:
        self.num_frames = 0
        self._total = total
        self._mark = '~' if is_estimate else ''
        self._began = self._last_line = time.monotonic()
        self._bar: Progress | None = None
        self._prints_lines = not quiet
        if not quiet and sys.stderr.isatty():
            self._bar = self._make_bar()
            self._task = self._bar.add_task('tracking', total=total)
            self._prints_lines = False

    @property
    def fps(self) -> float:
        """Frames a second since the beginning."""
        return self.num_frames / max(time.monotonic() - self._began, 1e-9)

    def advance(self, count: int = 1) -> None:
        """Count frames."""
        self.num_frames += count
        if self._bar is not None:
            self._bar.advance(self._task, count)
        elif self._prints_lines and time.monotonic() - self._last_line >= _LINE_EVERY_S:
            self._last_line = time.monotonic()
            print(self._line(), file=sys.stderr, flush=True)

    def __enter__(self) -> 'TrackProgress':
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def _line(self) -> str:
        if self._total is None:
            return f'frame {self.num_frames}, {self.fps:.1f} fps'
        left = max(self._total - self.num_frames, 0) / self.fps
        return f'frame {self.num_frames} of {self._mark}{self._total}, {self.fps:.1f} fps, {left:.0f} s left'

    def _make_bar(self) -> Progress:
        total = '?' if self._total is None else f'{self._mark}{self._total}'
        return Progress(
            TextColumn('tracking'),
            BarColumn(),
            TextColumn(f'{{task.completed:.0f}}/{total}'),
            _FpsColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )


class _FpsColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text('' if task.speed is None else f'{task.speed:.1f} fps')
