"""Reader of VOT sequences, short-term and long-term."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmgtrack.datasets.data_root import checked_root
from mmgtrack.datasets.layouts import LAYOUTS
from mmgtrack.datasets.placed_reader import PlacedReader
from mmgtrack.datasets.places import Place, Wanted, find_places, place_of
from mmgtrack.errors import DataError
from mmgtrack.formats.disk import kind_of, read_text
from mmgtrack.formats.vot_sequence import image_pattern, parse_properties
from mmgtrack.registry import DATASETS
from mmgtrack.sequence_tables import load_table


@DATASETS.register_module()
class VOT(PlacedReader):
    """VOT: ``root/{list.txt, ants1/{sequence, groundtruth.txt, color/00000001.jpg, ...}, ...}``.

    Of a polygon the box around its corners is taken (x2 = the largest x), of a mask (short-term challenges
    since 2020) the box around its pixels; a row of nan is a frame without the target. Images are where
    ``sequence`` says (``channels.color=color/%08d.jpg``), or, in the older layout, beside
    ``groundtruth.txt``.

    Args:
        root: the workspace, or its folder ``sequences``.
        table: a published list, a name for ``load_table``; None: list.txt, or all that are there.
        sequences: as of ``BenchmarkReader``.
        frame_filter: fields of ``FrameFilter``, for training.
        cache_size: sequences whose annotations stay in memory.

    Raises DataError that names file and line for whatever is missing or malformed.
    """

    def __init__(
        self,
        root: str,
        table: str | None = None,
        sequences: Wanted = None,
        frame_filter: Mapping[str, Any] | None = None,
        cache_size: int = 256,
    ) -> None:
        folder = _sequences_folder(checked_root(root))
        listed = None if table is None else load_table(table)
        layout, places = find_places(folder, LAYOUTS['vot'], listed, sequences)
        listing = folder / 'list.txt'
        if sequences is None and listed is None and kind_of(listing) == 'file':
            names = read_text(listing).split()
            if not names:
                raise DataError(f'{listing} lists no sequence: expected one name a line')
            # one that is not there says so when it is read
            places = {
                name: places.get(name) or place_of(layout, name, f'{name}/groundtruth.txt') for name in names
            }
        found = {name: _with_images(folder, name, place) for name, place in places.items()}
        super().__init__(folder, found, layout, frame_filter, cache_size)


def _sequences_folder(root: Path) -> Path:
    """The toolkit's workspace has the sequences one folder further down."""
    inner = root / 'sequences'
    return inner if kind_of(inner) == 'folder' and kind_of(root / 'list.txt') is None else root


def _with_images(root: Path, name: str, place: Place) -> Place:
    """The place with its images and annotation where the sequence's own properties say."""
    file = root / name / 'sequence'
    properties = parse_properties(read_text(file)) if kind_of(file) == 'file' else {}
    truth = f'{name}/{properties.get("groundtruth", "groundtruth.txt")}'
    folder, _, pattern = image_pattern(properties).rpartition('/')
    image = re.sub(r'%(0?\d*)d', r'{:\1d}', pattern)
    images = f'{name}/{folder}' if folder else name
    if kind_of(root / images) != 'folder':
        images = name  # as published until 2018
    return Place(truth, images, image, place.first)
