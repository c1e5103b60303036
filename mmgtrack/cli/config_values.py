"""``--cfg-options KEY=VALUE ...`` of the commands that run a config."""

import argparse
from typing import Any


class ConfigValues(argparse.Action):
    """Reads ``key=value ...`` as mmengine does, which is imported only when there are any."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        from mmgtrack.engine.options import Overrides

        Overrides(self.option_strings, self.dest, nargs='+')(parser, namespace, values, option_string)
