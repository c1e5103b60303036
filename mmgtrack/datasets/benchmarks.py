"""Readers of published benchmarks in their official layout."""

from collections.abc import Mapping
from collections.abc import Sequence as Names
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from mmgtrack.datasets.data_root import checked_root
from mmgtrack.datasets.layouts import LAYOUTS, Layout
from mmgtrack.datasets.placed_reader import PlacedReader
from mmgtrack.datasets.places import Place, Wanted, find_places, place_of
from mmgtrack.errors import DataError, InputError
from mmgtrack.formats.disk import read_text
from mmgtrack.packaged_configs import suggest
from mmgtrack.registry import DATASETS
from mmgtrack.sequence_tables import load_table


@DATASETS.register_module()
class BenchmarkReader(PlacedReader):
    """A published benchmark by its layout; `LAYOUTS` says what is peculiar to each.

    Args:
        root: folder of the benchmark.
        layout: name in `LAYOUTS`.
        table: its published list of sequences, a name for ``load_table``; it also says where their files are,
            which images belong to them, and what else they are called.
        sequences: 'all' that are there, or names; None: those of the list, whether or not they are there, or
            all without a list.
        frame_filter: fields of ``FrameFilter``, for training.
        cache_size: sequences whose annotations stay in memory.

    A sequence has as many frames as its annotation has rows; images past them do not count. Raises DataError
    that names file and line for whatever is missing or malformed, and for fewer images than rows.
    """

    def __init__(
        self,
        root: str,
        layout: str,
        table: str | None = None,
        sequences: Wanted = None,
        frame_filter: Mapping[str, Any] | None = None,
        cache_size: int = 256,
    ) -> None:
        if layout not in LAYOUTS:
            raise InputError(f'there is no layout {layout!r}; {suggest(layout, LAYOUTS)}')
        listed = None if table is None else load_table(table)
        folder = checked_root(root)
        found, places = find_places(folder, LAYOUTS[layout], listed, sequences)
        super().__init__(folder, places, found, frame_filter, cache_size)


@DATASETS.register_module()
class LaSOT(PlacedReader):
    """LaSOT (and its extension): ``root/airplane/airplane-1/{img/00000001.jpg, groundtruth.txt, ...}``.

    Args:
        root: folder with one folder a class.
        list_file: names of the sequences, one a line, relative to ``root``; the benchmark's own lists are
            called training_set.txt and testing_set.txt. None: see ``table``.
        use_absence: a frame flagged as fully occluded or out of view is without the target; otherwise its
            row counts as any other (official GlobalTrack, training).
        frame_filter: fields of ``FrameFilter``, for training.
        cache_size: sequences whose annotations stay in memory.
        table: a published list, such as 'lasot' (its test set) or 'lasot_ext'; None: all that are there.
        sequences: as of ``BenchmarkReader``.
        without: a published list whose sequences are left out of those that are there.

    Raises DataError that names the file for whatever is missing or malformed.
    """

    def __init__(
        self,
        root: str,
        list_file: str | None = None,
        use_absence: bool = True,
        frame_filter: Mapping[str, Any] | None = None,
        cache_size: int = 256,
        table: str | None = None,
        sequences: Wanted = None,
        without: str | None = None,
    ) -> None:
        folder = checked_root(root)
        (layout,) = LAYOUTS['lasot']
        if list_file is not None:
            places = {name: _class_place(layout, name) for name in _listed_names(folder / list_file)}
        else:
            listed = None if table is None else load_table(table)
            _, places = find_places(folder, (layout,), listed, sequences)
        left_out = () if without is None else load_table(without).names
        places = {name: place for name, place in places.items() if name not in left_out}
        layout = layout if use_absence else replace(layout, absent=())
        super().__init__(folder, places, layout, frame_filter, cache_size)


@DATASETS.register_module()
class GOT10k(PlacedReader):
    """GOT-10k: ``root/train/{list.txt, GOT-10k_Train_000001/{00000001.jpg, groundtruth.txt, ...}, ...}``.

    Args:
        root: folder with the folders of the splits.
        split: 'train', 'val' or 'test'; of the last, all boxes but the first are withheld.
        list_file: which of the split's sequences, one a line, relative to ``root``: by name, or by position
            from 0 in the split's list.txt, as the lists that go round with official code have it. None: all.
        frame_filter: fields of ``FrameFilter``, for training.
        cache_size: sequences whose annotations stay in memory.

    Raises DataError that names the file for whatever is missing or malformed.
    """

    def __init__(
        self,
        root: str,
        split: Literal['train', 'val', 'test'] = 'train',
        list_file: str | None = None,
        frame_filter: Mapping[str, Any] | None = None,
        cache_size: int = 256,
    ) -> None:
        if split not in ('train', 'val', 'test'):
            raise DataError(f"split must be 'train', 'val' or 'test', got {split!r}")
        folder = checked_root(root)
        names = _listed_names(folder / split / 'list.txt')
        if list_file is not None:
            names = _chosen_names(folder / list_file, names)
        (layout,) = LAYOUTS['got10k_test' if split == 'test' else 'got10k']
        places = {name: place_of(layout, name, f'{split}/{name}/groundtruth.txt') for name in names}
        super().__init__(folder, places, layout, frame_filter, cache_size)


def _class_place(layout: Layout, name: str) -> Place:
    return place_of(layout, name, f'{name.rpartition("-")[0]}/{name}/groundtruth.txt')


def _listed_names(file: Path) -> Names[str]:
    names = read_text(file).split()
    if not names:
        raise DataError(f'{file} lists no sequence: expected one name a line')
    return names


def _chosen_names(file: Path, names: Names[str]) -> Names[str]:
    """Those of the names that a list file gives by name or position, in its order."""
    known = {**{str(position): name for position, name in enumerate(names)}, **{name: name for name in names}}
    lines = _listed_names(file)
    strange = next((line for line in lines if line not in known), None)
    if strange is not None:
        raise DataError(f'{file} lists {strange!r}, which is none of the {len(names)} sequences of the split')
    return [known[line] for line in lines]
