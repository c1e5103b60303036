"""The layouts that benchmarks are published in: what is peculiar to one of them stands here, as data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.formats.box_rows import parse_rows
from mmgtrack.formats.nfs_rows import parse_corner_rows
from mmgtrack.formats.vot_masks import with_boxes
from mmgtrack.formats.vot_regions import parse_regions

Rows = tuple[np.ndarray, np.ndarray | None]
"""(F, 4) float64 x, y, w, h as they are written, and (F,) bool, rows that say that the target is lost."""

TINY_FRAMES = 600
"""Of every sequence of TLP, for TinyTLP."""


def _box_rows(text: str, where: str) -> Rows:
    return parse_rows(text, where), None


@dataclass(frozen=True)
class Layout:
    """Where a benchmark keeps what, and what its rows mean.

    Paths are relative to the root. In them ``*`` is a folder of any name, ``{name}`` the sequence,
    ``{target}`` the number of one of several targets (its sequence is then called ``{name}-{target}``),
    and ``{folder}`` the folder of the annotation.

    - ``truth``: annotation files, a row a frame.
    - ``images``: folder of the frames.
    - ``image``: image file of frame n, formatted with n; None: the images of the folder in natural order.
    - ``first``: n of the first frame.
    - ``rows``: reads the text of the annotation.
    - ``absent``: files of 0/1 flags; a frame is without the target where any of them has 1.
    - ``cover``: how much of the target is to be seen, a number a frame; at 0 it is not there.
    - ``resolution``: file with a line ``resolution: (width, height)``; without it the first frame says.
    - ``span``: file with the numbers of the first and the last image.
    - ``first_row_only``: the boxes of all frames but the first are withheld.
    - ``max_frames``: only so many from the beginning count.
    - ``step``: of a film with ``step`` times as many frames the rows may all be there; one row or image more
      than the other does not count.
    - ``nan_is_absence``: a row of nan is how the benchmark says that the target is not there; elsewhere it is
      a flaw of the file, read as a frame without a box.
    - ``cuts``: images past the rows are known, and do not count: in all sequences, or in those named.
    - ``listed``: the paths of the published list of sequences are those of this layout.
    """

    truth: tuple[str, ...]
    images: str
    image: str | None = None
    first: int = 1
    rows: Callable[[str, str], Rows] = _box_rows
    absent: tuple[str, ...] = ()
    cover: str | None = None
    resolution: str | None = None
    span: str | None = None
    first_row_only: bool = False
    max_frames: int | None = None
    step: int = 1
    nan_is_absence: bool = False
    cuts: bool | frozenset[str] = False
    listed: bool = True


def _lost_rows(text: str, where: str) -> Rows:
    """TLP: ``frame,x,y,w,h,isLost``."""
    rows = parse_rows(text, where, columns=6)
    wrong = np.flatnonzero(rows[:, 0] != np.arange(1, len(rows) + 1))
    if len(wrong):
        line = wrong[0] + 1
        raise DataError(f'{where}, line {line}: expected frame {line}, got frame {rows[wrong[0], 0]:g}')
    return rows[:, 1:5], rows[:, 5] != 0


def _corner_rows(text: str, where: str) -> Rows:
    """NfS: ``id left top right bottom frame lost occluded generated "label"``."""
    return parse_corner_rows(text, where), None


def _region_rows(text: str, where: str) -> Rows:
    """VOT: boxes, masks, whose tight boxes are taken, or polygons, of which the box around all corners is."""
    regions = parse_regions(with_boxes(text, where), where)
    boxes = regions.boxes.copy()
    for frame, corners in regions.polygons.items():
        low = corners.min(axis=0)
        boxes[frame] = [*low, *(corners.max(axis=0) - low)]
    return boxes, None


_LASOT = Layout(
    ('*/{name}/groundtruth.txt',),
    '{folder}/img',
    '{:08d}.jpg',
    absent=('{folder}/full_occlusion.txt', '{folder}/out_of_view.txt'),
    cuts=frozenset({'monkey-17'}),  # 2260 rows; its images go on
)
_GOT10K = Layout(
    ('{name}/groundtruth.txt',),
    '{folder}',
    '{:08d}.jpg',
    absent=('{folder}/absence.label',),
    cover='{folder}/cover.label',
    resolution='{folder}/meta_info.ini',
)
_TRACKINGNET = Layout(('*/anno/{name}.txt',), '{folder}/../frames/{name}', '{}.jpg', first=0)
_OTB = Layout(
    ('{name}/groundtruth_rect.txt', '{name}/groundtruth_rect.{target}.txt'),
    '{folder}/img',
    '{:04d}.jpg',
    cuts=True,  # Football1, Freeman3, Freeman4, Diving
)
_UAV123 = Layout(
    ('anno/UAV123/{name}.txt',),
    'data_seq/UAV123/{name}',
    '{:06d}.jpg',
    nan_is_absence=True,
    cuts=True,  # a recording holds several sequences
)
_TCOLOR128 = Layout(
    ('{name}/{name}_gt.txt',), '{folder}/img', '{:04d}.jpg', span='{folder}/{name}_frames.txt', cuts=True
)
_NFS = Layout(('{name}/30/{name}.txt',), '{folder}/{name}', rows=_corner_rows, step=8)
_TLP = Layout(('{name}/groundtruth_rect.txt',), '{folder}/img', rows=_lost_rows)
_VOT = Layout(
    ('{name}/groundtruth.txt',), '{folder}/color', '{:08d}.jpg', rows=_region_rows, nan_is_absence=True
)

LAYOUTS: Mapping[str, tuple[Layout, ...]] = {
    'lasot': (_LASOT,),
    'got10k': (_GOT10K,),
    'got10k_test': (replace(_GOT10K, absent=(), cover=None, first_row_only=True),),
    'trackingnet': (_TRACKINGNET,),
    'trackingnet_test': (replace(_TRACKINGNET, first_row_only=True),),
    'otb': (_OTB,),
    'uav123': (_UAV123,),
    'uav20l': (replace(_UAV123, truth=('anno/UAV20L/{name}.txt',)),),
    'nfs30': (_NFS, Layout(('anno/nfs_{name}.txt',), 'sequences/{name}', listed=False)),
    'nfs240': (replace(_NFS, truth=('{name}/240/{name}.txt',)),),
    'tcolor128': (_TCOLOR128,),
    'dtb70': (Layout(('{name}/groundtruth_rect.txt',), '{folder}/img', '{:05d}.jpg'),),
    'tlp': (_TLP,),
    'tiny_tlp': (replace(_TLP, max_frames=TINY_FRAMES, cuts=True),),
    'tnl2k': (Layout(('{name}/groundtruth.txt',), '{folder}/imgs'),),
    'vot': (_VOT,),
}
"""By name; where a benchmark comes in several layouts, the first that is there counts."""
