"""Overrides of config values (``--cfg-options``): what does not fit is said in one line."""

import difflib
import inspect
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmgtrack.errors import InputError

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


def merge_options(settings: Config, options: Mapping[str, Any]) -> None:
    """Set config values by dotted keys, numbers standing for places in lists.

    Raises InputError for a key at the top that is neither in the config nor known to the Runner, and for a
    key that leads into something else than a dict or list.
    """
    known = {*settings.keys(), *inspect.signature(Runner).parameters, *_ELSEWHERE}
    for key, value in options.items():
        top = key.split('.')[0]
        if top not in known:
            near = difflib.get_close_matches(top, known, n=1)
            hint = f'did you mean {near[0]}?' if near else f'the config has {", ".join(sorted(settings))}'
            raise InputError(f'unknown config key {key}: {hint}')
        try:
            settings.merge_from_dict({key: value})
        except (TypeError, KeyError, AttributeError) as error:
            raise InputError(f'config key {key} leads nowhere: {error}') from error


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
