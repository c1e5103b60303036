"""mmgtrack: find one particular object in a video, on the OpenMMLab stack.

Importing the package is light: it puts the operator stand-in in place (before anything can import
``mmcv.ops``) and declares the registry scope. Everything else is imported when it is first used.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mmgtrack import ops
from mmgtrack.version import __version__

ops.install()
if find_spec('mmengine') is not None:  # without it only `mmgtrack doctor` is of use
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
