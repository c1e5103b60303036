"""What a submission has to hold."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.annotations.boxes import BoxAnnotations
from mmgtrack.evaluation.annotations.files import listed_names
from mmgtrack.evaluation.annotations.got10k import GOT10k
from mmgtrack.evaluation.annotations.plain import Flat, TrackingNet
from mmgtrack.evaluation.annotations.vot import VotAnnotations
from mmgtrack.evaluation.benchmarks import find_protocol
from mmgtrack.evaluation.selection import ALL, select_sequences
from mmgtrack.formats.disk import kind_of, read_text
from mmgtrack.formats.frame_numbers import frame_number
from mmgtrack.formats.oxuva_labels import parse_tasks
from mmgtrack.sequence_tables import load_table


@dataclass(frozen=True, eq=False)
class Expected:
    """The sequences of a test set, and what is known of them; what is not known is not checked.

    names: of all sequences. frames: their number by name. first_boxes: (4,) x, y, w, h by name.
    spans: first and last frame of a track by name (OxUvA). anchors: (N,) by name as VOT has them.
    """

    names: tuple[str, ...]
    frames: Mapping[str, int] = field(default_factory=dict)
    first_boxes: Mapping[str, np.ndarray] = field(default_factory=dict)
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    anchors: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.names:
            raise DataError('no sequences are expected: the list is empty')
        twice = [name for name, count in Counter(self.names).items() if count > 1]
        if twice:
            raise DataError(f'{twice[0]} is expected twice')

    def of(self, listed: 'Expected') -> 'Expected':
        """The listed ones of these sequences.

        Raises DataError for one that is not among them, or whose list has another number of frames.
        """
        for name in listed.names:
            if name not in self.names:
                raise DataError(f'{name} is none of the {len(self.names)} sequences of the annotations')
            frames = listed.frames.get(name, self.frames.get(name))
            if frames != self.frames.get(name, frames):
                raise DataError(
                    f'{name} has {frames} frames in the list, {self.frames[name]} in the annotations'
                )
        return replace(self, names=listed.names)


def listed_sequences(path: Path) -> Expected:
    """A text file with a sequence on every line: its name, and its number of frames where that is known."""
    frames: dict[str, int] = {}
    lines = read_text(path).splitlines()
    rows = [line.replace(',', ' ').split() for line in lines]
    for number, (line, words) in enumerate(zip(lines, rows, strict=True), 1):
        try:
            if len(words) > 2:
                raise ValueError(f'{len(words)} words')
            if len(words) == 2:
                frames[words[0]] = frame_number(words[1], first=1)
        except ValueError as error:
            raise DataError(
                f'{path}, line {number}: expected NAME or NAME,FRAMES, got {line.strip()!r}: {error}'
            ) from error
    names = listed_names('\n'.join(' '.join(words[:1]) for words in rows), str(path))
    return Expected(names, frames)


def table_sequences(name: str) -> Expected:
    """A published list that comes with the package. Raises DataError with the nearest names."""
    table = load_table(name)
    spans = {
        entry.name: (entry.start, entry.end)
        for entry in table.entries
        if entry.start is not None and entry.end is not None
    }
    frames = {entry.name: entry.frames for entry in table.entries if entry.frames is not None}
    return Expected(table.names, frames, spans=spans)


def got10k_sequences(root: Path) -> Expected:
    """GOT-10k's folder of a split, with ``list.txt`` and a first box for every sequence."""
    inner = root / 'test'
    annotations = GOT10k(inner if kind_of(inner / 'list.txt') == 'file' else root)
    images = {name: path.replace('groundtruth.txt', '*.jpg') for name, path in annotations.paths.items()}
    return _box_sequences(annotations, images)


def tracking_net_sequences(root: Path) -> Expected:
    """TrackingNet's folder, or its TEST: ``anno/<id>.txt`` and images in ``frames/<id>``."""
    inner = root / 'TEST'
    annotations = TrackingNet(inner if kind_of(inner) == 'folder' else root)
    folders = {name: path.rpartition('anno/')[0] for name, path in annotations.paths.items()}
    return _box_sequences(
        annotations, {name: f'{folder}frames/{name}/*.jpg' for name, folder in folders.items()}
    )


def plain_sequences(root: Path) -> Expected:
    """A folder with ``<sequence>.txt``, or ``anno/<sequence>.txt``: a box for every frame."""
    return _box_sequences(Flat(root), {})


def oxuva_tracks(root: Path) -> Expected:
    """OxUvA's ``tasks/test.csv`` below the folder, ``tasks/dev.csv`` without it, or a file of that kind.

    Columns: video, object, first and last frame, xmin, xmax, ymin, ymax; tracks are ``<video>_<object>``.
    """
    tasks = (root / 'tasks' / 'test.csv', root / 'tasks' / 'dev.csv')
    there = (path for path in tasks if kind_of(path) == 'file')
    path = root if kind_of(root) == 'file' else next(there, tasks[0])
    found = parse_tasks(read_text(path), str(path))
    spans = {name: (task.first, task.last) for name, task in found.items()}
    return Expected(tuple(spans), spans=spans)


def vot_sequences(root: Path) -> Expected:
    """A VOT workspace, or its folder ``sequences``."""
    annotations = VotAnnotations(root)
    truths = [annotations.read(name) for name in annotations.names]
    return Expected(
        annotations.names,
        frames={truth.name: len(truth.regions) for truth in truths},
        anchors={truth.name: truth.anchors for truth in truths if truth.anchors is not None},
    )


FROM_ANNOTATIONS: dict[str, Callable[[Path], Expected]] = {
    'got10k': got10k_sequences,
    'trackingnet': tracking_net_sequences,
    'oxuva': oxuva_tracks,
    'vot': vot_sequences,
    'plain': plain_sequences,
}
"""By the kind of submission."""

TABLES = {'got10k': 'got10k_test', 'trackingnet': 'trackingnet_test', 'oxuva': 'oxuva_test'}
"""The published list of a kind's test set."""


def expected_sequences(kind: str, annotations: Path | None, sequences: str | None) -> Expected:
    """What a submission of a kind has to hold.

    kind: of a server, 'plain', or the name of a benchmark whose results are files of boxes; annotations: its
    folder; sequences: a file or the name of a published list, which chooses from the annotations where both
    are given, or 'all' that they have. By default the kind's published list.

    Raises InputError where the two do not say what is expected, DataError for files that are not as they
    should be.
    """
    if annotations is None:
        return _listed(kind, sequences)
    if kind in FROM_ANNOTATIONS:
        expected = FROM_ANNOTATIONS[kind](annotations)
        return expected if sequences in (None, ALL) else expected.of(_listed(kind, sequences))
    protocol = find_protocol(kind)
    truths = protocol.benchmark.annotations(annotations)
    if not isinstance(truths, BoxAnnotations):
        raise InputError(f'{kind} is no benchmark whose results are files of boxes')
    listed = None if sequences in (None, ALL) else _listed(kind, sequences)
    wanted = sequences if listed is None else listed.names
    expected = _box_sequences(truths, {}, select_sequences(protocol, truths, wanted))
    return expected if listed is None else expected.of(replace(listed, names=expected.names))


def _listed(kind: str, sequences: str | None) -> Expected:
    published = TABLES.get(kind) if kind in FROM_ANNOTATIONS else find_protocol(kind).benchmark.table
    named = sequences or published
    if named is None or named == ALL:
        raise InputError(f'{kind} has no published list; expected --annotations ROOT or --sequences FILE')
    return listed_sequences(Path(named)) if kind_of(Path(named)) == 'file' else table_sequences(named)


def _box_sequences(
    annotations: BoxAnnotations, images: Mapping[str, str], names: Sequence[str] | None = None
) -> Expected:
    """images: pattern of a sequence's image files by name, counted where only the first box is published.

    names: which sequences; None: all.
    """
    frames, first_boxes = {}, {}
    names = annotations.names if names is None else tuple(names)
    for name in names:
        boxes = annotations.boxes(name)
        first_boxes[name] = boxes[0]
        count = len(boxes)
        if count == 1 and name in images:
            count = annotations.files.count(images[name])
        if count:
            frames[name] = count
    return Expected(names, frames, first_boxes)
