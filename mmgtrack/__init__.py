"""mmgtrack: find one particular object in a video, on the OpenMMLab stack.

Importing the package is light: it puts the operator stand-in in place (before anything can import
``mmcv.ops``) and declares the registry scope. Everything else is imported when it is first used.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmgtrack.version import __version__


def _is_importable(module: str) -> bool:
    """Whether a foundation is there and works. If not, whatever needs it says so when it is used."""
    try:
        import_module(module)
    except (ImportError, OSError):
        return False
    return True


@contextmanager
def _quietly_interrupted() -> Iterator[None]:
    """Let Ctrl-C end the command line with status 130 while it is imported; programs get their exception."""
    # Python imports the package of ``python -m mmgtrack`` before it sets the command's words
    as_command = Path(sys.argv[0]).stem in ('mmgtrack', '-m') if getattr(sys, 'argv', None) else False
    if not as_command or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


with _quietly_interrupted():
    if _is_importable('torch'):  # without torch and mmengine only `mmgtrack doctor` is of use
        import_module('mmgtrack.ops').install()
        if _is_importable('mmengine'):
            import_module('mmgtrack.registry')

if TYPE_CHECKING:
    from mmgtrack.apis import Tracker
    from mmgtrack.structures import Candidates, State, Tracks

_PUBLIC = {
    'Tracker': 'mmgtrack.apis',
    'State': 'mmgtrack.structures',
    'Tracks': 'mmgtrack.structures',
    'Candidates': 'mmgtrack.structures',
}

__all__ = ['Candidates', 'State', 'Tracker', 'Tracks', '__version__']


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return __all__
