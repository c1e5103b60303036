"""Regions as the VOT toolkit writes them: a code, a box or a polygon for every frame, as text or binary.

After vot/region/io.py of vot-toolkit 0.7.4; 0.9.0 reads and writes the same files.
"""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.formats.box_rows import parse_number

UNKNOWN, INITIALISATION, FAILURE = 0, 1, 2
SHAPE = -1
"""Stands among the codes where a frame has a box or a polygon."""

BINARY_VERSION = 1
EXPECTED = 'expected a code 0, 1 or 2, a box x,y,w,h or a polygon x1,y1,x2,y2,x3,y3,...'


@dataclass(frozen=True, eq=False)
class Regions:
    """What is said of each of N frames.

    codes: (N,) int64, UNKNOWN, INITIALISATION or FAILURE where there is no shape, SHAPE elsewhere.
    boxes: (N, 4) float64 x, y, w, h in pixels; nan where there is no box.
    polygons: (P, 2) float64 corners x, y of the frames that have a polygon.
    """

    codes: np.ndarray
    boxes: np.ndarray
    polygons: Mapping[int, np.ndarray]

    def __len__(self) -> int:
        return len(self.codes)

    def take(self, frames: np.ndarray) -> 'Regions':
        """Those of the given frames, in their order."""
        polygons = {n: self.polygons[frame] for n, frame in enumerate(frames) if frame in self.polygons}
        return Regions(self.codes[frames], self.boxes[frames], polygons)

    @property
    def empty(self) -> np.ndarray:
        """(N,) bool: no shape, or one without width or height."""
        empty = ~np.all(self.boxes[:, 2:].astype(np.float32) > 0, axis=1)
        for frame, corners in self.polygons.items():
            empty[frame] = not np.ptp(corners.astype(np.float32), axis=0).all()
        return empty

    @classmethod
    def of(cls, rows: Sequence[Sequence[float]], where: str = 'regions', unit: str = 'row') -> 'Regions':
        """From rows of 1 number (a code), 4 (a box), or 6, 8, ... (corners); one with a nan is UNKNOWN.

        Raises DataError that calls the n-th row ``where``, ``unit`` n.
        """
        codes = np.full(len(rows), UNKNOWN)
        boxes = np.full((len(rows), 4), np.nan)
        polygons = {}
        for frame, row in enumerate(rows):
            if not _is_region(row):
                raise DataError(f'{where}, {unit} {frame + 1}: {EXPECTED}, got {_shortened(row)}')
            if len(row) == 1:
                codes[frame] = int(row[0])
            elif not any(map(math.isnan, row)):
                codes[frame] = SHAPE
                if len(row) == 4:
                    boxes[frame] = row
                else:
                    polygons[frame] = np.array(row, dtype=np.float64).reshape(-1, 2)
        return cls(codes, boxes, polygons)


def parse_regions(text: str, where: str) -> Regions:
    """Read one region a line; ``where`` is what messages call the file.

    Raises DataError with the line for masks and anything else that is no region, and for an empty file.
    """
    lines = text.rstrip().splitlines()
    if not lines:
        raise DataError(f'{where} is empty: expected a region on every line')
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append([parse_number(field) for field in line.split(',')])
        except ValueError:
            raise DataError(f'{where}, line {number}: {_fault(line)}') from None
    return Regions.of(rows, where, 'line')


def parse_binary_regions(data: bytes, where: str) -> Regions:
    """Read the toolkit's binary file: int16 version 1, uint32 count, then kind and content of each region.

    Little endian; kinds: 0 a uint32 code, 1 a box of 4 float32, 2 a uint16 count of corners and their
    float32 x, y. Raises DataError for masks (3), other kinds, another version, and another length.
    """
    if len(data) < struct.calcsize('<hI') or struct.unpack_from('<h', data)[0] != BINARY_VERSION:
        raise DataError(f'{where} is no binary trajectory of version {BINARY_VERSION}; use text instead')
    rows = list(_binary_rows(data, where))
    return Regions.of(rows, where, 'region')


def _binary_rows(data: bytes, where: str) -> Iterator[tuple[float, ...]]:
    _, count = struct.unpack_from('<hI', data)
    offset = struct.calcsize('<hI')
    for number in range(1, count + 1):
        try:
            kind = data[offset]
            form = {0: '<I', 1: '<4f', 2: '<H'}.get(kind)
            if form is None:
                raise DataError(f'{where}, region {number}: {_binary_fault(kind)}')
            offset += 1
            if kind == 2:
                form = f'<{2 * struct.unpack_from(form, data, offset)[0]}f'
                offset += 2
            yield struct.unpack_from(form, data, offset)
            offset += struct.calcsize(form)
        except (IndexError, struct.error):
            raise DataError(f'{where} ends within region {number} of {count}: the file is cut off') from None
    if offset != len(data):
        raise DataError(f'{where} has {len(data) - offset} bytes after its {count} regions')


def _is_region(row: Sequence[float]) -> bool:
    if len(row) == 1:
        return row[0] in (UNKNOWN, INITIALISATION, FAILURE)
    return (len(row) == 4 or (len(row) >= 6 and len(row) % 2 == 0)) and not any(map(math.isinf, row))


def _fault(line: str) -> str:
    if line.startswith('m'):
        return 'masks are not evaluated: write boxes x,y,w,h'
    text = line.strip()
    return f'{EXPECTED}, got {text if len(text) <= 60 else text[:57] + "..."!r}'


def _binary_fault(kind: int) -> str:
    if kind == 3:
        return 'masks are not evaluated: write boxes x,y,w,h'
    return f'expected kind 0 (code), 1 (box) or 2 (polygon), got {kind}'


def _shortened(row: Sequence[float]) -> str:
    text = ','.join(f'{number:g}' for number in row)
    return repr(text if len(text) <= 60 else text[:57] + '...')
