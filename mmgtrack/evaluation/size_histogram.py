"""How often targets have which size: in a data set, or as training sees them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmgtrack.datasets import ClipDataset
from mmgtrack.datasets.image_size import image_size
from mmgtrack.datasets.sequence import Reader
from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.size_bins import (
    COCO_CLASSES,
    RELATIVE_CLASSES,
    STUDY_BINS,
    SizeBins,
    box_sizes,
    relative_sizes,
)
from mmgtrack.files import replacing
from mmgtrack.formats.markdown import markdown_table
from mmgtrack.geometry import ResizeRule, clip_boxes

PARTS = 2
"""Bins an octave: ours, fine enough for a peak and coarse enough for a thousand targets."""

Report = Callable[[int, int], None]
"""Takes (done, total)."""


@dataclass(frozen=True, eq=False)
class TargetSizes:
    """Sizes of n targets, each in each frame that shows it.

    name: what they are of. pixels: (n,) sqrt(w*h); relative: (n,) r = sqrt(wh / WH). Raises DataError where
    there are none.
    """

    name: str
    pixels: np.ndarray
    relative: np.ndarray

    def __post_init__(self) -> None:
        if len(self.pixels) == 0:
            raise DataError(f'{self.name} shows no target: there is no size to count')

    def __len__(self) -> int:
        return len(self.pixels)


def sizes_in(reader: Reader, name: str, resize: ResizeRule | None, report: Report) -> TargetSizes:
    """Of all boxes of a data set, each clipped to its frame; those outside of it do not count.

    resize: in pixels of frames resized so; None: of the frames stored. The first frame's size is that of
    the whole sequence. Raises DataError for what cannot be read, or where no target is shown.
    """

    def parts() -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
        for index in range(len(reader)):
            sequence = reader[index]
            if sequence.present.any():
                yield sequence.boxes[sequence.present], image_size(sequence.frame_paths[0])
            report(index + 1, len(reader))

    return _joined(name, parts(), resize)


def sizes_drawn(
    dataset: ClipDataset,
    name: str,
    roles: Sequence[str],
    count: int,
    resize: ResizeRule | None,
    report: Report,
    by_source: bool = False,
) -> list[TargetSizes]:
    """Of the targets in the first ``count`` samples, apart for each role, which is added to the name.

    resize: as in ``sizes_in``, for frames that no pipeline has resized; by_source: apart for each source that
    had a sample, too. Raises InputError for a role that the samples do not have.
    """
    unknown = next((role for role in roles if role not in dataset.roles), None)
    if unknown is not None:
        raise InputError(f'{name} has the roles {", ".join(dataset.roles)}, got {unknown!r}')
    parts: dict[tuple[str, ...], list[tuple[np.ndarray, tuple[int, int]]]] = {}
    for number in range(count):
        sample = dataset[number]
        source = (sample['data_samples'].source_name,) if by_source else ()
        for role in roles:
            boxes = sample['data_samples'].instances[role].bboxes.numpy()
            found = boxes, tuple(sample['inputs'][role].shape[-2:])
            parts.setdefault((*source, role), []).append(found)
        report(number + 1, count)
    return [
        _joined(f'{name}, {", ".join(key)}', parts[key], resize) for key in sorted(parts, key=_order(roles))
    ]


def _order(roles: Sequence[str]) -> Callable[[tuple[str, ...]], tuple[Any, ...]]:
    """By source, then by role as they are given."""
    return lambda key: (*key[:-1], roles.index(key[-1]))


def _joined(
    name: str, parts: Iterable[tuple[np.ndarray, tuple[int, int]]], resize: ResizeRule | None
) -> TargetSizes:
    """parts: boxes (n, 4) xyxy pixels in a frame of (height, width)."""
    pixels: list[np.ndarray] = [np.zeros(0)]
    relative: list[np.ndarray] = [np.zeros(0)]
    for boxes, frame in parts:
        clipped = clip_boxes(torch.from_numpy(boxes), frame).numpy()
        sizes = box_sizes(clipped)
        shown = sizes > 0
        pixels.append(sizes[shown] * (resize.factor(frame) if resize is not None else 1.0))
        relative.append(relative_sizes(clipped, frame)[shown])
    return TargetSizes(name, np.concatenate(pixels), np.concatenate(relative))


def covering_bins(all_values: Sequence[np.ndarray], parts: int = PARTS) -> SizeBins:
    """Bins from a power of two to another, so that all values (n,) above 0 lie between them."""
    low = min(float(values.min()) for values in all_values)
    high = max(float(values.max()) for values in all_values)
    return SizeBins.octaves(2.0 ** np.floor(np.log2(low)), 2.0 ** (np.floor(np.log2(high)) + 1), parts)


def as_dict(found: TargetSizes) -> dict[str, Any]:
    """Number, quartiles, and the share of the targets in every class and bin."""
    named = {'coco': (COCO_CLASSES, found.pixels), 'relative': (RELATIVE_CLASSES, found.relative)}
    named['pixels'] = (STUDY_BINS, found.pixels)
    return {
        'name': found.name,
        'targets': len(found),
        'quartiles': np.percentile(found.pixels, (25, 50, 75)).tolist(),
        'relative_quartiles': np.percentile(found.relative, (25, 50, 75)).tolist(),
        **{
            key: dict(zip(bins.labels, bins.shares(sizes).tolist(), strict=True))
            for key, (bins, sizes) in named.items()
        },
    }


def size_tables(all_found: Sequence[TargetSizes]) -> list[tuple[list[str], list[list[str]]]]:
    """Two tables of header and rows, shares in percent: the classes, and octaves of pixels."""
    reports = [as_dict(found) for found in all_found]
    classes = ['sizes of', 'targets', 'median, px', *(f'{name}, px' for name in COCO_CLASSES.labels)]
    classes += ['median r', *(f'{name}, r' for name in RELATIVE_CLASSES.labels)]
    rows = [
        [
            report['name'],
            str(report['targets']),
            f'{report["quartiles"][1]:.1f}',
            *_percent(report['coco']),
            f'{report["relative_quartiles"][1]:.3f}',
            *_percent(report['relative']),
        ]
        for report in reports
    ]
    octaves = [[report['name'], *_percent(report['pixels'])] for report in reports]
    return [(classes, rows), (['% of sizes in px', *STUDY_BINS.labels], octaves)]


def write_markdown(all_found: Sequence[TargetSizes], path: Path) -> None:
    """Write ``size_tables``. Raises OutputError where the file cannot be written."""
    tables = ['\n'.join(markdown_table(header, rows)) for header, rows in size_tables(all_found)]
    with replacing(path) as file:
        file.write(('\n\n'.join(tables) + '\n').encode())


def _percent(shares: dict[str, float]) -> list[str]:
    return [f'{100 * share:.1f}' for share in shares.values()]
