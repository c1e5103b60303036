"""What is installed, whether it works, and which command mends what does not: behind ``mmgtrack doctor``.

Every check works with any of the dependencies missing or broken, because that is what it is for; nothing
is imported before it is looked at.
"""

import contextlib
import io
import platform
import re
import shlex
import shutil
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import import_module, metadata
from typing import Any, Literal

from mmgtrack import zoo
from mmgtrack.errors import MMGTrackError
from mmgtrack.packaged_configs import config_folder
from mmgtrack.version import __version__

Installed = Mapping[str, metadata.Distribution]


@dataclass(frozen=True)
class Problem:
    """Something to mend; an 'error' keeps mmgtrack from working, a 'warning' does not.

    remedy: the command to type.
    """

    severity: Literal['error', 'warning']
    text: str
    remedy: str


@dataclass(frozen=True)
class Diagnosis:
    """The state of this installation.

    packages: import name -> distribution and version, or 'missing'. operators: engine -> how many of mmcv's
    compiled operators it serves. weights: model name -> 'intact', 'none shipped' or what is wrong.
    """

    version: str
    python: str
    platform: str
    packages: dict[str, str]
    operators: dict[str, int]
    operators_reason: str
    devices: list[str]
    weights: dict[str, str]
    configs: list[str]
    problems: list[Problem]

    @property
    def healthy(self) -> bool:
        """Whether mmgtrack can work here."""
        return all(problem.severity != 'error' for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {'healthy': self.healthy}


@dataclass(frozen=True)
class Dependency:
    """A package that mmgtrack imports.

    name: as it is imported; module: the part to try; requirement: what to install if it is missing;
    others: distributions that write the same files as the one required.
    """

    name: str
    requirement: str
    module: str
    others: tuple[str, ...] = ()

    @property
    def distributions(self) -> tuple[str, ...]:
        """Names of the distributions that offer it, the preferred one first."""
        return (re.split('[<>=!~ ]', self.requirement)[0], *self.others)

    def found(self, installed: Installed) -> list[metadata.Distribution]:
        """Those of them that are installed."""
        return [installed[name] for name in self.distributions if name in installed]


_OPENCV = Dependency(
    'cv2',
    'opencv-python>=4.8',
    'cv2',
    ('opencv-python-headless', 'opencv-contrib-python', 'opencv-contrib-python-headless'),
)
DEPENDENCIES = (
    Dependency('torch', 'torch>=2.6', 'torch'),
    Dependency('numpy', 'numpy>=2', 'numpy'),
    _OPENCV,
    Dependency('scipy', 'scipy>=1.11', 'scipy.optimize'),
    Dependency('lap', 'lap>=0.5.12', 'lap'),
    Dependency('av', 'av>=12', 'av'),
    Dependency('rich', 'rich>=13', 'rich'),
    Dependency('packaging', 'packaging>=22', 'packaging'),
    Dependency('typing_extensions', 'typing-extensions>=4.10', 'typing_extensions'),
    Dependency('mmengine', 'onedl-mmengine>=0.10.12', 'mmengine', ('mmengine', 'mmengine-lite')),
    Dependency('mmcv', 'onedl-mmcv>=2.3.6', 'mmcv.ops', ('mmcv', 'mmcv-lite', 'mmcv-full')),
    Dependency('mmdet', 'onedl-mmdetection>=3.5.1', 'mmdet.models', ('mmdet',)),
)
_STACK = tuple(dependency for dependency in DEPENDENCIES if dependency.name.startswith('mm'))
# installed one after the other: torch first, so that nothing else chooses its build
_GROUPS = (DEPENDENCIES[:1], DEPENDENCIES[1 : -len(_STACK)], _STACK)
# where the name to install differs from the name to import
_DISTRIBUTION_OF = {
    'imgaug': 'imaug',
    'skimage': 'scikit-image',
    'yaml': 'pyyaml',
    'PIL': 'pillow',
    'dateutil': 'python-dateutil',
}


def diagnose() -> Diagnosis:
    """Look at everything; takes some seconds, because the OpenMMLab stack is imported."""
    installed = installed_distributions()
    problems = [
        *_missing(installed),
        *_shared_files(installed),
        *_opencv_versions(installed),
        *_requirements(installed),
        *_imports(installed),
        *_torchvision(installed),
        *_cuda(),
    ]
    operators, reason = _operators()
    weights = {model.name: _weights(model) for model in zoo.list_models()}
    problems += _damaged(weights)
    configs = [str(config_folder())] if config_folder().is_dir() else []
    if not configs:
        problems.append(_reinstall('the packaged configs are missing'))
    return Diagnosis(
        version=__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        packages={dependency.name: _versions(dependency.found(installed)) for dependency in DEPENDENCIES}
        | {name: _versions([installed[name]]) for name in ('torchvision',) if name in installed},
        operators=operators,
        operators_reason=reason,
        devices=_devices(),
        weights=weights,
        configs=configs,
        problems=problems,
    )


def installed_distributions() -> dict[str, metadata.Distribution]:
    """Installed distributions by normalised name; of several with one name, the one that is imported."""
    found: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        name = distribution.metadata['Name']
        if name:
            found.setdefault(_normalise(name), distribution)
    return found


def _missing(installed: Installed) -> Iterator[Problem]:
    for group in _GROUPS:
        names = [dependency.name for dependency in group if not dependency.found(installed)]
        if names:
            # the stack is asked for as a whole, so that pip chooses versions that go together
            wanted = [d.requirement for d in group if d in _STACK or d.name in names]
            verb = 'is' if len(names) == 1 else 'are'
            yield Problem('error', f'{", ".join(names)} {verb} not installed', _pip('install', *wanted))


def _shared_files(installed: Installed) -> Iterator[Problem]:
    """mmcv-lite beside onedl-mmcv, and the like: the files of one replace some of the other's."""
    for dependency in _STACK:
        found = [_name(distribution) for distribution in dependency.found(installed)]
        if len(found) > 1:
            yield Problem(
                'error',
                f'{" and ".join(found)} both write the folder {dependency.name}; keep one of them',
                f'{_pip("uninstall", "-y", *found)} && {_pip("install", dependency.requirement)}',
            )


def _opencv_versions(installed: Installed) -> Iterator[Problem]:
    """The distributions of OpenCV write the same folder; harmless only if their versions agree."""
    found = _OPENCV.found(installed)
    if len({distribution.version for distribution in found}) > 1:
        oldest = min((d.version for d in found), key=_numbers)
        yield Problem(
            'error',
            f'{_versions(found)}: different versions of OpenCV in one folder',
            _pip('install', '--force-reinstall', '--no-deps', *(f'{_name(d)}=={oldest}' for d in found)),
        )


def _requirements(installed: Installed) -> Iterator[Problem]:
    """Versions that another package asks for, and did not get."""
    try:
        from packaging.requirements import Requirement
    except ImportError:
        return  # reported as missing
    ours = {_name(d) for dependency in DEPENDENCIES for d in dependency.found(installed)}
    for name in sorted(ours | ({'imaug', 'mmgtrack'} & set(installed))):
        for line in installed[name].requires or []:
            wanted = Requirement(line)
            there = installed.get(_normalise(wanted.name))
            if wanted.marker is not None and not wanted.marker.evaluate({'extra': ''}):
                continue
            if there is None:
                found = 'it is not installed'
            elif not wanted.specifier.contains(there.version, prereleases=True):
                found = f'{there.version} is installed'
            else:
                continue
            plain = f'{wanted.name}{wanted.specifier}'
            severity: Literal['error', 'warning'] = 'error' if name == 'mmgtrack' else 'warning'
            yield Problem(severity, f'{name} asks for {plain}, but {found}', _pip('install', plain))


def _imports(installed: Installed) -> Iterator[Problem]:
    """What is installed and yet cannot be imported."""
    absent = {dependency.name for dependency in DEPENDENCIES if not dependency.found(installed)}
    reported: set[str] = set()
    for dependency in DEPENDENCIES:
        if dependency.name in absent:
            continue
        error = _import_error(dependency.module)
        missing = (error.name or '').split('.')[0] if isinstance(error, ModuleNotFoundError) else ''
        if error is None or missing in absent:
            continue
        reason = f'{type(error).__name__}: {_first_line(error)}'
        if reason not in reported:  # else this one fails because an earlier one does
            text = f'{dependency.module} cannot be imported: {reason}'
            yield Problem('error', text, _import_remedy(dependency, installed, error, missing))
        reported.add(reason)


def _import_error(module: str) -> Exception | None:
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            import_module(module)
        except Exception as error:  # a broken package may raise anything
            return error
    return None


def _import_remedy(dependency: Dependency, installed: Installed, error: Exception, missing: str) -> str:
    if missing and missing != dependency.name:
        return _pip('install', _DISTRIBUTION_OF.get(missing, missing))
    if dependency in _STACK and isinstance(error, AssertionError):  # versions that refuse each other
        names = [_name(d) for member in _STACK for d in member.found(installed)]
        wanted = [member.requirement for member in _STACK]
        return f'{_pip("uninstall", "-y", *names)} && {_pip("install", *wanted)}'
    exact = [f'{_name(d)}=={d.version}' for d in dependency.found(installed)]
    return _pip('install', '--force-reinstall', '--no-deps', *exact)


def _torchvision(installed: Installed) -> Iterator[Problem]:
    """It is optional, and a build for another torch is worse than none."""
    if 'torchvision' not in installed or 'torch' not in sys.modules:
        return
    obstacle = import_module('mmgtrack.ops.torchvision_engine').obstacle()
    if obstacle:
        yield Problem(
            'warning',
            f'{obstacle}; the same operators in plain torch are used, which are slower',
            _pip('uninstall', '-y', 'torchvision'),
        )


def _cuda() -> Iterator[Problem]:
    """A GPU that torch does not see."""
    torch = sys.modules.get('torch')
    if torch is None or torch.cuda.is_available() or shutil.which('nvidia-smi') is None:
        return
    if torch.version.cuda is None:
        build = f'torch=={torch.__version__.split("+")[0]}'
        remedy = _pip('install', '--force-reinstall', '--no-deps', build)
        yield Problem('warning', f'torch {torch.__version__} is built without CUDA', remedy)
    else:
        text = f'torch is built for CUDA {torch.version.cuda} and sees no device; is the driver older?'
        yield Problem('warning', text, 'nvidia-smi')


def _operators() -> tuple[dict[str, int], str]:
    if 'torch' not in sys.modules:
        return {}, 'torch cannot be imported'
    report = import_module('mmgtrack.ops').report()
    engines = Counter(service.engine for service in report.operators.values())
    return dict(sorted(engines.items())), f'{report.extension}: {report.reason}'


def _devices() -> list[str]:
    torch = sys.modules.get('torch')
    if torch is None:
        return []
    cuda = [f'cuda:{i} {torch.cuda.get_device_name(i)}' for i in range(torch.cuda.device_count())]
    return [f'cpu, threads: {torch.get_num_threads()}', *cuda]


def _weights(model: zoo.ModelInfo) -> str:
    try:
        return 'intact' if zoo.weights_path(model) else 'none shipped'
    except MMGTrackError as error:
        return str(error)


def _damaged(weights: Mapping[str, str]) -> list[Problem]:
    return [_reinstall(text) for text in weights.values() if text not in ('intact', 'none shipped')]


def _reinstall(text: str) -> Problem:
    # a name could fetch anybody's package: the folder or wheel that it came from cannot
    remedy = _pip('install', '--force-reinstall', '--no-deps', 'FOLDER-OR-WHEEL-OF-MMGTRACK')
    return Problem('error', text, remedy)


def _pip(*words: str) -> str:
    return shlex.join([sys.executable or 'python', '-m', 'pip', *words])


def _name(distribution: metadata.Distribution) -> str:
    return _normalise(distribution.metadata['Name'])


def _normalise(name: str) -> str:
    return re.sub('[-_.]+', '-', name).lower()


def _versions(distributions: list[metadata.Distribution]) -> str:
    return ', '.join(f'{_name(d)} {d.version}' for d in distributions) or 'missing'


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r'\d+', version)]


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [''])[0]
