"""Official checkpoints -> ours: one module and one line of ``SYSTEMS`` a system.

Importing the package loads nothing heavy: the command line needs the names only.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from mmgtrack.errors import InputError

if TYPE_CHECKING:
    from mmgtrack.convert.official import Converter


@dataclass(frozen=True)
class System:
    """A system whose official checkpoints can be converted.

    module: the file in this folder that offers ``CONVERTER``; description: one line for users.
    """

    module: str
    description: str


SYSTEMS = {
    'dmtrack': System('dmtrack', "DMTrack's published detector, for the model dmtrack_dla34_official"),
    'globaltrack': System(
        'global_track', 'GlobalTrack with ResNet-50, for the model globaltrack_r50_official'
    ),
    'stark': System(
        'stark', 'STARK-S50, ST50, ST101 and Lightning; also what mmtracking trained, for the same models'
    ),
}


def find_converter(system: str) -> 'Converter':
    """The converter of a system; InputError lists the systems there are."""
    if system not in SYSTEMS:
        raise InputError(f'no converter for {system!r}; expected one of: {", ".join(SYSTEMS)}')
    converter: Converter = import_module(f'mmgtrack.convert.{SYSTEMS[system].module}').CONVERTER
    return converter
