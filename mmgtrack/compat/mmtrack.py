"""Make the installed mmtrack 1.0.0rc1 usable beside today's mmdet: importing this module does it.

    custom_imports = dict(imports=['mmgtrack.compat.mmtrack'], allow_failed_imports=False)

in a config, and its data sets, samplers, transforms and metrics can be named there as ``mmtrack.X``. By
itself mmtrack refuses mmdet 3 by version, and imports packages that single object tracking does not need: see
docs/mim_and_mmtrack.md. Raises MissingDependencyError where mmtrack is not installed in this version.
"""

import sys
from contextlib import ExitStack
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import mmcv
import mmdet
from mmengine.logging import print_log

from mmgtrack.compat.pack_clip_inputs import PackClipInputs
from mmgtrack.compat.stand_ins import lent_attribute, placeholder_attribute, stand_ins
from mmgtrack.compat.video_frames import VideoFramesTestLoop
from mmgtrack.errors import MissingDependencyError

__all__ = ['VERSION', 'PackClipInputs', 'VideoFramesTestLoop', 'install']

VERSION = '1.0.0rc1'
"""The one release of mmtrack for mmengine; 0.x wants mmcv 1."""

# the youngest that its assertions accept: mmcv < 2.0.0, mmdet < 3.0.0
_VERSIONS = {mmcv: '2.0.0rc4', mmdet: '3.0.0rc6'}
# what its modules take from packages of other tasks
_MODULES = {
    'seaborn': [],  # palettes of its drawings
    'tabulate': ['tabulate'],  # tables of SOTMetric for chosen videos
    'trackeval': [],
    'motmetrics': [],
    'motmetrics.lap': ['linear_sum_assignment'],
    'sklearn': [],
    'sklearn.gaussian_process': ['GaussianProcessRegressor'],
    'sklearn.gaussian_process.kernels': ['RBF'],
    'mmcls': [],
    'mmcls.evaluation': [],
    'mmcls.evaluation.metrics': ['Accuracy'],
    'mmcls.models': [],
    'mmcls.models.classifiers': ['ImageClassifier'],
}


def install() -> list[str]:
    """Import all of mmtrack; return what is stood in for. A second call changes nothing.

    The versions that mmcv and mmdet claim, the stand-ins and the class that mmdet lacks are there during the
    import only.
    """
    _check_version()
    first = 'mmtrack' not in sys.modules
    layers = import_module('mmdet.models.layers')
    with ExitStack() as stack:
        for module, lent in _VERSIONS.items():
            stack.enter_context(lent_attribute(module, '__version__', lent))
        absent = stack.enter_context(stand_ins(_MODULES))
        # STARK's transformer derives from it; mmgtrack.StarkTransformer is ours
        if stack.enter_context(placeholder_attribute(layers, 'Transformer')):
            absent.append('mmdet.models.layers.Transformer')
        import_module('mmtrack.utils').register_all_modules(init_default_scope=False)
    if first:
        names = ', '.join(absent) or 'nothing'
        print_log(f'mmtrack {VERSION} beside mmdet {mmdet.__version__}; stood in for: {names}', 'current')
    return absent


def _check_version() -> None:
    try:
        found = version('mmtrack')
    except PackageNotFoundError:
        found = 'none'
    if found != VERSION:
        raise MissingDependencyError(
            f'mmgtrack.compat.mmtrack needs mmtrack {VERSION}, found {found}; install it with: '
            f'pip install --no-deps mmtrack=={VERSION}'
        )


install()
