"""Annotation files by where a layout keeps them, below a folder or in a zip archive."""

import re
from pathlib import Path

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.formats.disk import kind_of, names_in, read_text


class AnnotationFiles:
    """Text files below a folder or in a zip archive, found by patterns such as ``*/{name}/groundtruth.txt``.

    Of a folder only the levels that a pattern names are listed: the images of a benchmark, millions of files,
    are never looked at. Raises DataError where there is neither folder nor archive, here and in all methods
    where a folder on the way may not be read.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        kind = kind_of(root)
        if kind is None:
            raise DataError(f'{root} does not exist: give the folder, or zip archive, of the annotations')
        self._archive = None if kind == 'folder' else ResultFiles(root)

    def find(self, pattern: str) -> dict[str, str]:
        """Path below the root by the sequence's name, sorted by it; ``{name}`` may stand there repeatedly."""
        expression = _expression(pattern)
        found: dict[str, str] = {}
        for path in sorted(self._candidates(pattern.replace('{name}', '*'))):
            match = expression.fullmatch(path)
            if match is None:
                continue
            name = match['name']
            if name in found:
                raise DataError(f'{self.root} has two files of {name}: {found[name]} and {path}')
            found[name] = path
        return found

    def exists(self, path: str) -> bool:
        if self._archive is not None:
            return path in self._archive.paths
        return kind_of(self.root / path) == 'file'

    def count(self, pattern: str) -> int:
        """How many files fit a pattern without a name, such as ``car/img/*.jpg``."""
        expression = re.compile(_expressed(pattern))
        return sum(expression.fullmatch(path) is not None for path in self._candidates(pattern))

    def names(self, folder: str) -> list[str]:
        """Of what lies in a folder that is there, sorted."""
        if self._archive is None:
            return names_in(self.root / folder)
        inside = (
            path.removeprefix(f'{folder}/') for path in self._archive.paths if path.startswith(f'{folder}/')
        )
        return [name for name in inside if '/' not in name]

    def where(self, path: str) -> str:
        """How messages call a file."""
        return f'{self.root}/{path}'

    def on_disk(self, path: str) -> Path | None:
        """Where an image can be opened; None where it is not there, or in an archive."""
        return self.root / path if self._archive is None and self.exists(path) else None

    def read_text(self, path: str) -> str:
        """Raises DataError where the file cannot be read or is not text."""
        return read_text(self.root / path) if self._archive is None else self._archive.read_text(path)

    def _candidates(self, pattern: str) -> list[str]:
        """More paths than fit where the source is an archive."""
        if self._archive is not None:
            return list(self._archive.paths)
        *folders, last = pattern.split('/')
        found = ['']
        for part in folders:
            found = [f'{path}{name}/' for path in found for name in self._fitting(path, part, True)]
        return [f'{path}{name}' for path in found for name in self._fitting(path, last, False)]

    def _fitting(self, folder: str, part: str, only_folders: bool) -> list[str]:
        """What in a folder fits one part of a pattern; no folder is listed where the part names a file."""
        if '*' in part:
            expression = re.compile(_expressed(part))
            names = names_in(self.root / folder, only_folders=only_folders)
            return [name for name in names if expression.fullmatch(name)]
        kind = kind_of(self.root / folder / part)
        return [part] if kind == 'folder' or (kind == 'file' and not only_folders) else []


def listed_names(text: str, where: str) -> tuple[str, ...]:
    """Of a list with a name on every line; blank lines are none. Raises DataError where one stands twice."""
    lines: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name = line.strip()
        if name in lines:
            raise DataError(f'{where}, line {number}: {name} stands in line {lines[name]} already')
        if name:
            lines[name] = number
    return tuple(lines)


def _expressed(pattern: str) -> str:
    return re.escape(pattern).replace(r'\*', '[^/]+')


def _expression(pattern: str) -> re.Pattern[str]:
    first, *rest = map(_expressed, pattern.split('{name}'))
    return re.compile(f'{first}(?P<name>[^/]+){"(?P=name)".join(rest)}')
