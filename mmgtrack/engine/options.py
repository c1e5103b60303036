"""Configs and overrides of their values (``--cfg-options``): what does not fit is said in one line."""

import difflib
import inspect
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from mmgtrack.errors import InputError
from mmgtrack.packaged_configs import run_config

_ELSEWHERE = (
    'activation_checkpointing',
    'compile',
    'custom_imports',
    'efficient_conv_bn_eval',
    'find_unused_parameters',
    'load_from_fallback',
    'model_wrapper_cfg',
    'sync_bn',
)
"""Keys at the top of a config that mmengine or launch.py reads besides the Runner's own arguments."""


class Overrides(DictAction):
    """mmengine's reader of ``key=value ...`` for argparse, with a typed error."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        for word in values or ():
            if not re.match('[^=]+=', word):
                raise InputError(f'{option_string} expects key=value, got {word!r}')
        super().__call__(parser, namespace, values, option_string)  # type: ignore[arg-type]


def read_config(path: str | os.PathLike[str]) -> Config:
    """A config file. Raises InputError where there is none, or where it fails when it is run."""
    if not Path(path).is_file():
        raise InputError(f'no config file {path}')
    return run_config(path)


def merge_options(settings: Config, options: Mapping[str, Any]) -> None:
    """Set config values by dotted keys, numbers standing for places in lists.

    Raises InputError for a key at the top that is neither in the config nor known to the Runner, for one in
    the model's ``test_cfg`` that is not there yet, and for one that leads into something else than a dict or
    list.
    """
    known = {*settings.keys(), *inspect.signature(Runner).parameters, *_ELSEWHERE}
    for key, value in options.items():
        top = key.split('.')[0]
        if top not in known:
            raise InputError(f'unknown config key {key}: {_hint(top, known, settings)}')
        _check_test_cfg(settings, key)
        try:
            settings.merge_from_dict({key: value})
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f'config key {key} leads nowhere: {error}') from error


def _check_test_cfg(settings: Config, key: str) -> None:
    """Refuse a new key in a part of ``model.test_cfg`` from which nothing is built that would refuse it."""
    *path, last = key.split('.')
    part: Any = settings if path[:2] == ['model', 'test_cfg'] else None
    for name in path:
        part = part.get(name) if isinstance(part, (dict, Config)) else None
    if isinstance(part, dict) and 'type' not in part and last not in part:
        raise InputError(f'unknown config key {key}: {_hint(last, part, part)}')


def _hint(name: str, known: Collection[str], shown: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f'did you mean {near[0]}?' if near else f'the config has {", ".join(sorted(shown))}'


@contextmanager
def blamed_on(options: Mapping[str, Any] | None) -> Iterator[None]:
    """Say that an option is to blame where a class is built with an argument that it does not know.

    Raises InputError for such an argument that one of the options names; other errors pass.
    """
    try:
        yield
    except (TypeError, InputError) as error:
        found = re.search(r"(\w+)(?:\.__init__)?\(\) got an unexpected keyword argument '(\w+)'", str(error))
        for key in options or {}:
            if found and found[2] in key.split('.'):
                raise InputError(f'unknown config key {key}: {found[1]} has no {found[2]!r}') from error
        raise
