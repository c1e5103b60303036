"""How far a command of known length has come, without rich: the commands' parsers must do without it."""

import sys
import time

_LINE_EVERY_S = 10.0
_REWRITE_EVERY_S = 0.2


class Countdown:
    """Report steps of a known number on stderr, with the time left; call it with (done, total).

    A line that rewrites itself on a terminal, one now and then elsewhere; a few seconds of work are silent.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = self._last_line = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if done == total:
            if terminal:
                print('\r\x1b[K', end='', file=sys.stderr, flush=True)
        elif now - self._last_line >= (_REWRITE_EVERY_S if terminal else _LINE_EVERY_S):
            self._last_line = now
            left = (now - self._began) / done * (total - done)
            end = '\x1b[K\r' if terminal else '\n'
            line = f'{done} of {total} {self._what}, {left:.0f} s left'
            print(line, end=end, file=sys.stderr, flush=True)
