"""Small annotation folders, and the same as zip archives."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

ROWS = '10,20,30,40\n11,21,31,41\n12,22,32,42\n'


def write_tree(root: Path, files: Mapping[str, str], zipped: bool = False) -> Path:
    """Write texts by their path below a folder; returns the folder, or the archive of it."""
    if zipped:
        with zipfile.ZipFile(root / 'tree.zip', 'w') as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        return root / 'tree.zip'
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root
