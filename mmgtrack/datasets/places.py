"""Which sequences of a benchmark there are, and where their files lie."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mmgtrack.datasets.image_names import images_in, natural
from mmgtrack.datasets.layouts import Layout
from mmgtrack.errors import DataError
from mmgtrack.formats.disk import is_hidden, read_text
from mmgtrack.packaged_configs import suggest
from mmgtrack.sequence_tables import SequenceTable, TableEntry

Wanted = Literal['all'] | list[str] | tuple[str, ...] | None
"""Which sequences: 'all' that are there; names; None: the published list, or all where there is none."""


@dataclass(frozen=True, slots=True)
class Place:
    """Files of one sequence, relative to the root.

    truth: its annotation; images: folder of its frames; image: name of frame n, formatted with n, None for
    all images of the folder in natural order; first: n of the first frame; last: n of the last one where the
    published list says so.
    """

    truth: str
    images: str
    image: str | None
    first: int
    last: int | None = None


def find_places(
    root: Path, layouts: tuple[Layout, ...], table: SequenceTable | None, wanted: Wanted
) -> tuple[Layout, dict[str, Place]]:
    """The layout that is there, and the places of the sequences that are wanted, in their order.

    A listed sequence has a place whether or not it is there: reading it says what is missing.

    Raises DataError where nothing fits a layout, and with the nearest names for a sequence that is neither
    listed nor there.
    """
    for layout in layouts:
        there = _truths_there(root, layout)
        if there:
            break
    else:
        expected = ' or '.join(_shown(root, pattern) for layout in layouts for pattern in layout.truth)
        raise DataError(f'{root} holds no sequence: expected files such as {expected}')
    if table is not None:
        there = _as_listed(there, table)
    listed = table if table is not None and layout.listed else None
    names = _chosen(root, there, table, wanted)
    return layout, {name: _place(layout, name, there, _entry(listed, name)) for name in names}


def place_of(layout: Layout, name: str, truth: str) -> Place:
    """As the layout alone says, for an annotation that is known."""
    folder = os.path.dirname(truth)
    images = os.path.normpath(layout.images.format(name=name, folder=folder or '.'))
    return Place(truth, images, layout.image, layout.first)


def surplus_images(root: Path, name: str, place: Place, layout: Layout, frames: Sequence[str]) -> list[str]:
    """Images past the frames that are read, unless the list or the layout says that there are some."""
    if layout.step > 1 or layout.max_frames is not None:
        return []
    names = images_in(root / place.images)
    if place.last is not None and place.image is not None:
        listed = {place.image.format(n) for n in range(place.first + len(frames), place.last + 1)}
        return [image for image in names if image in listed]
    if layout.cuts is True or (layout.cuts and name in layout.cuts):
        return []
    last = natural(os.path.basename(frames[-1]))
    return [image for image in names if natural(image) > last]


def _truths_there(root: Path, layout: Layout) -> dict[str, str]:
    """Annotation file by name, in natural order of the names."""
    found: dict[str, str] = {}
    for pattern in layout.truth:
        expression = pattern.replace('{name}', '*').replace('{target}', '*')
        for path in root.glob(expression):
            relative = path.relative_to(root).as_posix()
            name = _name_in(relative, pattern)
            if name is None or is_hidden(relative):
                continue
            if '{target}' in pattern and not read_text(path).strip():
                continue  # OTB's Human4 has an empty file of a first target
            found.setdefault(name, relative)
    return {name: found[name] for name in sorted(found, key=natural)}


def _name_in(path: str, pattern: str) -> str | None:
    """The sequence's name in a path that its pattern found; None where the parts do not agree."""
    values: dict[str, str] = {}
    for part, form in zip(path.split('/'), pattern.split('/'), strict=True):
        for field in ('name', 'target'):
            before, mark, after = form.partition(f'{{{field}}}')
            if not mark:
                continue
            if not (part.startswith(before) and part.endswith(after)):
                return None
            value = part[len(before) : len(part) - len(after)]
            if not value or values.setdefault(field, value) != value:
                return None
    return f'{values["name"]}-{values["target"]}' if 'target' in values else values['name']


def _chosen(root: Path, there: Mapping[str, str], table: SequenceTable | None, wanted: Wanted) -> list[str]:
    if wanted == 'all' or (wanted is None and table is None):
        return list(there)
    if wanted is None and table is not None:
        return list(table.names)
    if isinstance(wanted, str):
        raise DataError(f"sequences are 'all' or a list of names, got {wanted!r}")
    return [_known(root, name, there, table) for name in wanted or ()]


def _known(root: Path, name: str, there: Mapping[str, str], table: SequenceTable | None) -> str:
    """The name as the list or the folder has it: programs write some names differently."""
    if name in there:
        return name
    if table is not None:
        return table.find(name).name
    raise DataError(f'{root} holds no sequence {name!r}; {suggest(name, there)}')


def _as_listed(there: Mapping[str, str], table: SequenceTable) -> dict[str, str]:
    """By the listed names: a folder that differs from one in upper and lower case only is the listed one."""
    listed = {name.casefold(): name for name in table.names if name not in there}
    return {listed.get(name.casefold(), name): truth for name, truth in there.items()}


def _entry(table: SequenceTable | None, name: str) -> TableEntry | None:
    if table is None or name not in table.names:
        return None
    return table.find(name)


def _place(layout: Layout, name: str, there: Mapping[str, str], entry: TableEntry | None) -> Place:
    truth = there.get(name)
    if entry is not None and entry.annotation and not _same(truth, entry.annotation):
        truth = entry.annotation
    if truth is None:
        folder = '*' if '*' in layout.truth[0] else name
        truth = layout.truth[0].replace('*', folder).replace('{name}', name)
    place = place_of(layout, name, truth)
    if entry is None:
        return place
    image = layout.image
    if image is not None and entry.digits is not None:
        image = f'{{:0{entry.digits}d}}{os.path.splitext(image)[1]}'
    first = layout.first if entry.start is None else entry.start
    images = place.images if entry.folder is None or _same(place.images, entry.folder) else entry.folder
    return Place(truth, images, image, first, entry.end)


def _same(path: str | None, listed: str) -> bool:
    """Whether they differ in upper and lower case only."""
    return path is not None and path.casefold() == listed.casefold()


def _shown(root: Path, pattern: str) -> str:
    return (
        f'{root}/{pattern}'.replace('{name}', '<sequence>').replace('{target}', '1').replace('*', '<folder>')
    )
