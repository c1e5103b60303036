"""From an official checkpoint file to one that ``Tracker`` loads."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmgtrack import zoo
from mmgtrack.apis.models import build_network, load_config
from mmgtrack.checkpoint import save_checkpoint_file
from mmgtrack.convert import find_converter
from mmgtrack.errors import CheckpointError, OutputError


@dataclass(frozen=True)
class Conversion:
    """What was done.

    config: the model that the written file is for; sha256: of the source; num_keys: keys written; left_out:
    parts of the source that were not converted -> why.
    """

    config: str
    source: Path
    sha256: str
    target: Path
    num_keys: int
    left_out: dict[str, str]


def convert_checkpoint(
    system: str,
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> Conversion:
    """Write the weights of an official checkpoint under our names, with where they come from.

    system: a key of ``mmgtrack.convert.SYSTEMS``. The source is not executed. Raises InputError (unknown
    system), CheckpointError (source unreadable, or not what the system expects: lists the keys), OutputError
    (target exists without ``overwrite``, is the source, or cannot be written); nothing is written then.
    """
    source, target = Path(source), Path(target)
    converter = find_converter(system)
    _check_paths(source, target, overwrite)
    official = converter.read(source)
    with _blamed_on(str(source)):
        layout = converter.layout(official)
    name, config = load_config(layout.config_name)
    expected = {key: value.shape for key, value in build_network(config).state_dict().items()}
    with _blamed_on(f'{source} does not fit {name}'):
        weights = layout.key_map.convert(official.weights, expected)
    sha256 = zoo.file_sha256(source)
    origin: dict[str, Any] = {'system': system, 'file': source.name, 'sha256': sha256, **official.progress}
    meta = {'config_name': name, 'converted_from': origin}
    save_checkpoint_file({'state_dict': weights, 'meta': meta}, target)
    left_out = layout.key_map.left_out(official.weights) | official.left_out
    return Conversion(name, source, sha256, target, len(weights), left_out)


@contextmanager
def _blamed_on(what: str) -> Iterator[None]:
    """Say first what a CheckpointError is about."""
    try:
        yield
    except CheckpointError as error:
        raise CheckpointError(f'{what}: {error}') from error


def _check_paths(source: Path, target: Path, overwrite: bool) -> None:
    """Refuse what can be refused before a large file is read.

    ``os.path`` and not ``Path`` asks: a place that may not be looked into is none, instead of an OSError.
    """
    if os.path.isdir(source):
        raise CheckpointError(f'{source} is a folder; expected the official checkpoint file')
    if not os.path.isfile(source):
        raise CheckpointError(f'no checkpoint file {source}')
    if os.path.isdir(target):
        raise OutputError(f'{target} is a folder; expected the name of the file to write')
    if os.path.exists(target) and target.samefile(source):
        raise OutputError(f'{target} is the source itself; choose another file to write')
    if os.path.lexists(target) and not overwrite:
        raise OutputError(f'{target} exists already; choose another name, or replace it (--force)')
    if not os.path.isdir(target.parent):
        raise OutputError(f'no folder {target.parent}; create it, or choose another place for {target.name}')
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f'{target.parent}: no permission to write there')
