"""Annotation files by where a layout keeps them, below a folder or in a zip archive."""

import re
from pathlib import Path

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import ResultFiles


class AnnotationFiles:
    """Text files below a folder or in a zip archive, found by patterns such as ``*/{name}/groundtruth.txt``.

    Of a folder only the levels that a pattern names are listed: the images of a benchmark, millions of files,
    are never looked at. Raises DataError where there is neither folder nor archive.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        if not root.exists():
            raise DataError(f'{root} does not exist: give the folder, or zip archive, of the annotations')
        self._archive = None if root.is_dir() else ResultFiles(root)

    def find(self, pattern: str) -> dict[str, str]:
        """Path below the root by the sequence's name, sorted by it; ``{name}`` may stand there repeatedly."""
        expression = _expression(pattern)
        found: dict[str, str] = {}
        for path in sorted(self._candidates(pattern.replace('{name}', '*'))):
            match = expression.fullmatch(path)
            if match is None or _is_hidden(path):
                continue
            name = match['name']
            if name in found:
                raise DataError(f'{self.root} has two files of {name}: {found[name]} and {path}')
            found[name] = path
        return found

    def exists(self, path: str) -> bool:
        if self._archive is not None:
            return path in self._archive.paths
        return (self.root / path).is_file()

    def count(self, pattern: str) -> int:
        """How many files fit a pattern without a name, such as ``car/img/*.jpg``."""
        expression = re.compile(re.escape(pattern).replace(r'\*', '[^/]+'))
        return sum(
            expression.fullmatch(path) is not None and not _is_hidden(path)
            for path in self._candidates(pattern)
        )

    def where(self, path: str) -> str:
        """How messages call a file."""
        return f'{self.root}/{path}'

    def read_text(self, path: str) -> str:
        """Raises DataError where the file cannot be read or is not text."""
        if self._archive is not None:
            return self._archive.read_text(path)
        try:
            return (self.root / path).read_text(encoding='utf-8-sig')
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, 'strerror', None) or error
            raise DataError(f'cannot read the annotation file {self.where(path)}: {reason}') from error

    def _candidates(self, pattern: str) -> list[str]:
        """More paths than fit where the source is an archive."""
        if self._archive is not None:
            return list(self._archive.paths)
        return [path.relative_to(self.root).as_posix() for path in self.root.glob(pattern)]


def _expression(pattern: str) -> re.Pattern[str]:
    first, *rest = (re.escape(part).replace(r'\*', '[^/]+') for part in pattern.split('{name}'))
    return re.compile(f'{first}(?P<name>[^/]+){"(?P=name)".join(rest)}')


def _is_hidden(path: str) -> bool:
    """What macOS and file managers leave beside the files of a benchmark."""
    return any(part.startswith('.') or part == '__MACOSX' for part in path.split('/'))
