"""The file ``sequence`` of a VOT sequence: ``name=value`` lines."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath


def parse_properties(text: str) -> dict[str, str]:
    """Other lines are passed over, as in the toolkit."""
    matches = (re.match(r'([\w.-]+) *= *(.*)', line.strip()) for line in text.splitlines())
    return {match[1]: match[2] for match in matches if match}


def image_pattern(properties: Mapping[str, str]) -> str:
    """Where the frames are, relative to the sequence, such as ``color/%08d.jpg``."""
    pattern = properties.get('channels.color', 'color/%08d.jpg').replace('\\', '/')
    return pattern if PurePosixPath(pattern).suffix else f'{pattern.rstrip("/")}/%08d.jpg'
