"""Put the stand-in in the place of mmcv's compiled extension, where there is none that works."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from mmgtrack.errors import ImportOrderError, OperatorError

from . import stand_in, torchvision_engine
from .report import OperatorReport, Service

_EXTENSION = 'mmcv._ext'
_REMEDY = 'install an mmcv whose operators are compiled for this torch'
# Engines of the operators that torchvision can serve, and what keeps it from serving the others.
_BY_TORCHVISION = {
    'nms': 'offset 0; offset 1 is served by torch',
    'roi_align_forward': 'averaged bins; maxima are served by torch',
    'deform_conv_forward': '', 'modulated_deform_conv_forward': '',
}
_NOT_BY_TORCHVISION = {
    'roi_pool_forward': "torchvision's rounds the boxes",
    'deform_conv_backward_input': "torchvision's offset gradient differs at the border",
    'modulated_deform_conv_backward': "torchvision's offset gradient differs at the border",
}
# Set by install(): why the stand-in is in place, or that it need not be.
_reasons: dict[str, str] = {}


class _StandIn(ModuleType):
    """Module with the operators of `stand_in`; any other name is a function that refuses."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith('__'):
            raise AttributeError(name)

        def unavailable(*args: Any, **kwargs: Any) -> None:
            raise OperatorError(
                f'operator {name!r} is not available: mmcv has no compiled operators here and '
                f'mmgtrack has no stand-in for this one; {_REMEDY}')

        unavailable.__name__ = name
        setattr(self, name, unavailable)
        return unavailable
