"""Sequences of a VOT workspace, and the older layout of VOT2013 to VOT2018."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.annotations.base import Annotations
from mmgtrack.evaluation.annotations.files import AnnotationFiles, listed_names
from mmgtrack.formats.box_rows import parse_number
from mmgtrack.formats.frame_numbers import LAST_FRAME, frame_number
from mmgtrack.formats.vot_regions import Regions, parse_regions
from mmgtrack.formats.vot_sequence import image_pattern, parse_properties

FIRST_FRAME = 1
"""Image files are numbered from here."""

_OBJECT = re.compile(r'groundtruth_.*\.txt')


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

    root: folder or zip archive. A sequence has ``groundtruth.txt`` and may have ``sequence`` (name=value
    lines), ``anchor.value``, ``<tag>.tag`` and ``<tag>.label``. Images are only opened for their size, where
    ``sequence`` has none, and never in an archive.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.files = AnnotationFiles(root)
        found = [folder for folder in ('', 'sequences/') if self.files.exists(f'{folder}list.txt')]
        if not found:
            raise DataError(f'{root} holds no list.txt of VOT, neither does {root / "sequences"}')
        self._folder = found[0]

    @cached_property
    def names(self) -> tuple[str, ...]:  # type: ignore[override]
        path = f'{self._folder}list.txt'
        names = listed_names(self.files.read_text(path), self.files.where(path))
        if not names:
            raise DataError(
                f'{self.files.where(path)} is empty: expected the name of a sequence on every line'
            )
        return names

    def read(self, name: str) -> VotTruth:
        if name not in self.names:
            raise DataError(f'{self.files.where(self._folder)}list.txt has no sequence {name}')
        folder = f'{self._folder}{name}'
        properties = self._properties(f'{folder}/sequence')
        regions = self._groundtruth(folder, properties)
        anchors = f'{folder}/anchor.value'
        tags = [file for file in self.files.names(folder) if file.endswith(('.tag', '.label'))]
        return VotTruth(
            name,
            regions,
            self._column(anchors, len(regions)) if self.files.exists(anchors) else None,
            {Path(tag).stem: self._column(f'{folder}/{tag}', len(regions)) != 0 for tag in tags},
            self._image_size(folder, properties),
        )

    def _groundtruth(self, folder: str, properties: Mapping[str, str]) -> Regions:
        several = [file for file in self.files.names(folder) if _OBJECT.fullmatch(file)]
        path = f'{folder}/{properties.get("groundtruth", "groundtruth.txt")}'
        where = self.files.where(path)
        if several:
            raise DataError(f'{where}: expected only this, got several objects ({", ".join(several)})')
        regions = parse_regions(self.files.read_text(path), where)
        length = self._number(folder, properties, 'length') or len(regions)
        if length < len(regions):
            raise DataError(
                f'{where} has {len(regions)} lines, expected at most the {length} of {folder}/sequence'
            )
        # as the toolkit does: of frames beyond the file nothing is known
        absent = length - len(regions)
        return Regions(
            np.pad(regions.codes, (0, absent)),
            np.pad(regions.boxes, ((0, absent), (0, 0)), constant_values=np.nan),
            regions.polygons,
        )

    def _image_size(self, folder: str, properties: Mapping[str, str]) -> tuple[int, int] | None:
        width, height = (self._number(folder, properties, key) for key in ('width', 'height'))
        if width and height:
            return width, height
        named = image_pattern(properties)
        for image in (named.replace('%08d', f'{FIRST_FRAME:08d}'), f'{FIRST_FRAME:08d}.jpg'):
            path = self.files.on_disk(f'{folder}/{image}')
            if path is not None:
                return _size_of(path)
        return None

    def _properties(self, path: str) -> dict[str, str]:
        """None without the file."""
        if not self.files.exists(path):
            return {}
        return parse_properties(self.files.read_text(path))

    def _number(self, folder: str, properties: Mapping[str, str], key: str) -> int | None:
        if key not in properties:
            return None
        try:
            return frame_number(properties[key], first=1)
        except ValueError as error:
            where = self.files.where(f'{folder}/sequence')
            raise DataError(
                f'{where}: expected a positive number as {key}, at most {LAST_FRAME}, got {properties[key]!r}'
            ) from error

    def _column(self, path: str, length: int) -> np.ndarray:
        """(length,) float64 of a file with a number on every line; frames beyond its end have 0."""
        lines = self.files.read_text(path).rstrip().splitlines()
        where = self.files.where(path)
        if len(lines) > length:
            raise DataError(
                f'{where} has {len(lines)} lines, expected at most the {length} of the ground truth'
            )
        column = np.zeros(length)
        for number, line in enumerate(lines):
            try:
                column[number] = parse_number(line)
            except ValueError:
                column[number] = np.nan
            if np.isnan(column[number]):
                raise DataError(f'{where}, line {number + 1}: expected a number, got {line.strip()!r}')
        return column


def _size_of(image: Path) -> tuple[int, int]:
    from mmgtrack.datasets.sequence import read_frame  # only where an image has to be opened

    height, width = read_frame(str(image)).shape[:2]
    return width, height
