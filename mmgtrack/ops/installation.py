"""Put the stand-in in the place of mmcv's compiled extension, where there is none that works."""

from __future__ import annotations

import sys
import warnings
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

from mmgtrack.errors import ImportOrderError

from . import torchvision_engine
from .extension import EXTENSION_NAME, REMEDY, StandInExtension
from .operator_report import OperatorReport, Service
from .stand_in import OPERATORS

# What torchvision serves where it works, and why it does not serve others of its operators.
_BY_TORCHVISION = {
    'nms': 'faithful for offset 0; torch serves offset 1',
    'roi_align_forward': 'faithful for averaged bins; torch serves maxima',
    'deform_conv_forward': 'faithful',
    'modulated_deform_conv_forward': 'faithful',
}
_NOT_BY_TORCHVISION = {
    'roi_pool_forward': "torchvision's operator rounds the boxes",
    'roi_pool_backward': "torchvision's operator rounds the boxes",
    'deform_conv_backward_input': "torchvision's offset gradient differs at the border",
    'modulated_deform_conv_backward': "torchvision's offset gradient differs at the border",
}


def install() -> OperatorReport:
    """Make `mmcv.ops` importable: register the stand-in unless mmcv's own extension works.

    Idempotent. Must run before mmdet.models is imported; importing mmgtrack does so.

    Returns:
        The same as `report()`.

    Raises:
        ImportOrderError: an import of mmdet.models has already failed in this process for want of
            the extension, which leaves half of its classes registered.
    """
    if EXTENSION_NAME not in sys.modules and _mmcv_obstacle() is None and not _import_compiled():
        _check_import_order()
        extension = StandInExtension()
        sys.modules[EXTENSION_NAME] = extension
        vars(import_module('mmcv'))['_ext'] = extension  # as importing it would
    return report()


def report() -> OperatorReport:
    """Which engine serves which operator in this process.

    Operators that only a compiled mmcv has are listed once `mmcv.ops` has asked for them.
    """
    extension = sys.modules.get(EXTENSION_NAME)
    if isinstance(extension, StandInExtension):
        return OperatorReport(
            'stand-in',
            'mmcv has no compiled operators that work here',
            partial(_stand_in_services, extension),
        )
    if extension is None:
        return OperatorReport('absent', _mmcv_obstacle() or 'install() has not been called')
    return OperatorReport('compiled', 'mmcv has compiled operators', partial(_compiled_services, extension))


def _mmcv_obstacle() -> str | None:
    """Why mmcv cannot be imported at all; None if it can."""
    if find_spec('mmcv') is None:
        return 'mmcv is not installed'
    try:
        import_module('mmcv')
    except ImportError as error:
        return f'mmcv cannot be imported: {error}'
    return None


def _import_compiled() -> ModuleType | None:
    if find_spec(EXTENSION_NAME) is None:
        return None
    try:
        return import_module(EXTENSION_NAME)
    except (ImportError, OSError) as error:  # undefined symbols after an upgrade of torch
        warnings.warn(
            f"mmcv's compiled operators do not load ({error}); mmgtrack's slower ones "
            f'are used instead. To be rid of this, {REMEDY}.',
            stacklevel=3,
        )
        return None


def _check_import_order() -> None:
    # A failed import removes the package from sys.modules but not the parts that had succeeded.
    begun = any(name.startswith('mmdet.models.') for name in sys.modules)
    if begun and 'mmdet.models' not in sys.modules:
        raise ImportOrderError(
            'import mmgtrack before mmdet: mmdet.models was imported first and failed, because '
            'mmcv has no compiled operators; its registries are half-made, so start a new process'
        )


def _compiled_services(extension: ModuleType) -> dict[str, Service]:
    return {
        operator.__name__: Service('compiled', 'mmcv has compiled operators')
        for operator in OPERATORS
        if hasattr(extension, operator.__name__)
    }


def _stand_in_services(extension: StandInExtension) -> dict[str, Service]:
    obstacle = torchvision_engine.obstacle()
    services = {
        name: Service('unavailable', f'not replaced by mmgtrack; {REMEDY}') for name in extension.unavailable
    }
    for operator in OPERATORS:
        name = operator.__name__
        if name in _BY_TORCHVISION and not obstacle:
            services[name] = Service('torchvision', _BY_TORCHVISION[name])
        elif name in _BY_TORCHVISION:
            services[name] = Service('torch', obstacle)
        else:
            services[name] = Service('torch', _NOT_BY_TORCHVISION.get(name, 'no faithful engine'))
    return services
