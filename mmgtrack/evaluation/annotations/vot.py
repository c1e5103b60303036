"""Sequences of a VOT workspace, and the older layout of VOT2013 to VOT2018."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import Annotations
from mmgtrack.evaluation.results.vot_regions import Regions, parse_regions

FIRST_FRAME = 1
"""Image files are numbered from here."""


@dataclass(frozen=True, eq=False)
class VotTruth:
    """Ground truth of one sequence of N frames.

    regions: of every frame; a code instead of a shape where the target is absent.
    anchors: (N,) float64; > 0 a run starts here forward, < 0 backward; None without such a file.
    tags: (N,) bool each, by name: frames with that attribute.
    image_size: (width, height) in pixels, None where neither the files nor an image tell it.
    """

    name: str
    regions: Regions
    anchors: np.ndarray | None
    tags: Mapping[str, np.ndarray]
    image_size: tuple[int, int] | None


class VotAnnotations(Annotations[VotTruth]):
    """``list.txt`` and the sequences' folders, below the workspace or its folder ``sequences``.

    A sequence has ``groundtruth.txt`` and may have ``sequence`` (name=value lines), ``anchor.value``,
    ``<tag>.tag`` and ``<tag>.label``. Images are only opened for their size, where ``sequence`` has none.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        folders = [folder for folder in (root, root / 'sequences') if (folder / 'list.txt').is_file()]
        if not folders:
            raise DataError(f'{root} holds no list.txt of VOT, neither does {root / "sequences"}')
        self.folder = folders[0]

    @cached_property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        names = tuple(line.strip() for line in _read(self.folder / 'list.txt').splitlines() if line.strip())
        if not names:
            raise DataError(
                f'{self.folder / "list.txt"} is empty: expected the name of a sequence on every line'
            )
        return names

    def read(self, name: str) -> VotTruth:
        if name not in self.names:
            raise DataError(f'{self.folder / "list.txt"} has no sequence {name}')
        folder = self.folder / name
        properties = _properties(folder / 'sequence')
        regions = _groundtruth(folder, properties)
        anchors = folder / 'anchor.value'
        tags = sorted([*folder.glob('*.tag'), *folder.glob('*.label')])
        return VotTruth(
            name,
            regions,
            _column(anchors, len(regions), float) if anchors.is_file() else None,
            {path.stem: _column(path, len(regions), _flag) for path in tags},
            _image_size(folder, properties),
        )


def _groundtruth(folder: Path, properties: Mapping[str, str]) -> Regions:
    path = folder / properties.get('groundtruth', 'groundtruth.txt')
    several = sorted(other.name for other in folder.glob('groundtruth_*.txt'))
    if several:
        raise DataError(f'{folder} has several objects ({", ".join(several)}): expected only {path.name}')
    regions = parse_regions(_read(path), str(path))
    length = int(_number(folder, properties, 'length') or len(regions))
    if length < len(regions):
        raise DataError(
            f'{path} has {len(regions)} lines, expected at most the {length} of {folder}/sequence'
        )
    # as the toolkit does: of frames beyond the file nothing is known
    absent = length - len(regions)
    return Regions(
        np.pad(regions.codes, (0, absent)),
        np.pad(regions.boxes, ((0, absent), (0, 0)), constant_values=np.nan),
        regions.polygons,
    )


def _image_size(folder: Path, properties: Mapping[str, str]) -> tuple[int, int] | None:
    width, height = (_number(folder, properties, key) for key in ('width', 'height'))
    if width and height:
        return width, height
    pattern = properties.get('channels.color', 'color/%08d.jpg').replace('\\', '/')
    named = pattern if Path(pattern).suffix else f'{pattern.rstrip("/")}/%08d.jpg'
    for image in (folder / named.replace('%08d', f'{FIRST_FRAME:08d}'), folder / f'{FIRST_FRAME:08d}.jpg'):
        if image.is_file():
            return _size_of(image)
    return None


def _size_of(image: Path) -> tuple[int, int]:
    from mmgtrack.datasets.sequence import read_frame  # only where an image has to be opened

    height, width = read_frame(str(image)).shape[:2]
    return width, height


def _properties(path: Path) -> dict[str, str]:
    """``name=value`` lines; none without the file; other lines are passed over, as in the toolkit."""
    if not path.is_file():
        return {}
    matches = (re.match(r'([\w.-]+) *= *(.*)', line.strip()) for line in _read(path).splitlines())
    return {match[1]: match[2] for match in matches if match}


def _number(folder: Path, properties: Mapping[str, str], key: str) -> int | None:
    value = properties.get(key)
    if value is None:
        return None
    if not value.isdecimal() or int(value) == 0:
        raise DataError(f'{folder / "sequence"}: expected a positive number as {key}, got {value!r}')
    return int(value)


def _column(path: Path, length: int, parse: Callable[[str], float]) -> np.ndarray:
    """(length,) of a file with a value on every line; frames beyond its end have 0."""
    lines = _read(path).rstrip().splitlines()
    if len(lines) > length:
        raise DataError(f'{path} has {len(lines)} lines, expected at most the {length} of the ground truth')
    values = []
    for number, line in enumerate(lines, 1):
        try:
            values.append(parse(line))
        except ValueError:
            raise DataError(f'{path}, line {number}: expected a number, got {line.strip()!r}') from None
    column = np.zeros(length, bool if parse is _flag else np.float64)
    column[: len(values)] = values
    return column


def _flag(text: str) -> bool:
    return bool(float(text))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8-sig')
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f'cannot read {path}: {error}') from error
