"""Numbers as JSON."""

import json
import math
import os
from typing import Any

from mmgtrack.files import replacing


def write_json(content: Any, path: str | os.PathLike[str]) -> None:
    """Write what JSON can hold, null for what is not a finite number. Raises OutputError."""
    with replacing(path) as file:
        file.write(json.dumps(_with_null(content), indent=2, allow_nan=False).encode())


def _with_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_null(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_null(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
