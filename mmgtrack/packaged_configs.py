"""Where our configs are, and what anyone's config may name: ours as ``mmgtrack::NAME.py``, modules beside it.

Nothing of the OpenMMLab stack is imported before it is needed: the doctor asks where configs are whatever is
missing.
"""

import difflib
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mmgtrack.errors import InputError, ModelNotFoundError, first_line

if TYPE_CHECKING:
    from mmengine.config import Config

PREFIX = 'mmgtrack::'
_PACKAGE = Path(__file__).parent


def config_folder() -> Path:
    """Where configs are: the checkout's own folder, where there is one; else those packed into the wheel."""
    checkout = _PACKAGE.parent
    if (checkout / 'pyproject.toml').is_file():
        return checkout / 'configs'
    return _PACKAGE / '.mim' / 'configs'


def find_config(name: str) -> Path:
    """The config file of that path below ``config_folder``; the error lists the nearest names."""
    folder = config_folder()
    if name.endswith('.py') and (folder / name).is_file():
        return folder / name
    known = sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*.py'))
    hint = suggest(name, known) if known else 'install mmgtrack again'
    raise ModelNotFoundError(f'no config {name!r} in {folder}; {hint}')


def find_weights(name: str) -> str:
    """The file of ``mmgtrack::NAME.pth``, weights that come with the package; other names stay."""
    if not name.startswith(PREFIX):
        return name
    folder, file = _PACKAGE / 'zoo', name.removeprefix(PREFIX)
    known = sorted(path.name for path in folder.glob('*.pth'))
    if file not in known:
        raise ModelNotFoundError(f'no weights {file!r} come with mmgtrack; {suggest(file, known)}')
    return str(folder / file)


def suggest(name: str, known: Iterable[str]) -> str:
    """What a message about an unknown name says about the known ones."""
    names = list(known)
    near = suggestions(name, names)
    return f'did you mean {", ".join(near)}?' if near else f'known: {", ".join(names)}'


def suggestions(name: str, known: Iterable[str]) -> list[str]:
    """Up to three known names that are like the unknown one."""
    return difflib.get_close_matches(name, list(known), n=3, cutoff=0.4)


def run_config(path: str | os.PathLike[str]) -> 'Config':
    """A config file; its ``custom_imports`` may name modules in its own folder, as a script's imports do.

    What is installed goes before them, and the folder stays on the path for imports at later times. Raises
    InputError where the config fails, or a module that it imports.
    """
    from mmengine.config import Config

    folder = str(Path(path).resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        return Config.fromfile(path)
    except Exception as error:  # a config is a program: it can fail in any way
        reason: BaseException = error
        while isinstance(reason, ImportError) and reason.__context__ is not None:
            reason = reason.__context__  # mmengine's own text hides which import failed
        raise InputError(f'cannot read the config {path}: {first_line(reason)}') from error


def resolve_own_prefix() -> None:
    """Make mmengine find ``_base_ = 'mmgtrack::NAME.py'``, in a checkout as from a wheel.

    mmengine 0.10 knows the packages of OpenMMLab alone, wants a folder in the name, and looks into
    ``.mim`` only, which a checkout has not. Other prefixes go the way they went, and a second call changes
    nothing.
    """
    from mmengine.config import Config

    original = Config._get_cfg_path
    if original.__module__ == __name__:
        return

    def get_cfg_path(cfg_path: str, filename: str) -> tuple[str, str | None]:
        if cfg_path.startswith(PREFIX):
            # no scope, as if the base were given by its path: our configs say the scope of each type
            return str(find_config(cfg_path.removeprefix(PREFIX))), None
        return original(cfg_path, filename)

    Config._get_cfg_path = staticmethod(get_cfg_path)
