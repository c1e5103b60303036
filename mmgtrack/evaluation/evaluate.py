"""From a folder of results and a folder of annotations to the numbers of a protocol."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.annotations.base import Annotations, BoxTruth
from mmgtrack.evaluation.benchmarks import Protocol, find_protocol
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.rules.base import Part, Scores
from mmgtrack.evaluation.selection import select_sequences
from mmgtrack.formats.listing import some_of

PathLike = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a protocol says of one tracker.

    parts: one a sequence, in the order of the list; scores: of all sequences; notes: what a reader of the
    numbers should know about the files, one line each.
    """

    protocol: Protocol
    tracker: str
    source: Path
    parts: tuple[Part, ...]
    scores: Scores
    notes: tuple[str, ...] = ()


def evaluate(
    protocol: str | Protocol,
    results: Sequence[PathLike],
    annotations: PathLike,
    *,
    sequences: str | Sequence[str] | None = None,
    skip_missing: bool = False,
    box_format: str = 'xywh',
    report_progress: Callable[[int, int], None] | None = None,
) -> list[Evaluation]:
    """Judge the results of one or more trackers, all on the same sequences.

    Args:
        protocol: such as 'lasot' (the benchmark's own rule) or 'lasot@pysot' (that of another program).
        results: folders or zip archives, one a tracker.
        annotations: folder of the benchmark.
        sequences: names in the order that they count; 'all': those that the annotations hold; None: those of
            the benchmark's published list, all of which must be there, or, without a list, all.
        skip_missing: leave a sequence out, for all trackers, if one of them has no result for it; otherwise
            that is an error.
        box_format: how the rows of the results are to be read: 'xywh', 'xyxy' or 'xyxy_inclusive'.
        report_progress: called with the number of sequences done and their total.

    Raises InputError for an unknown protocol, DataError with file and line for broken files.
    """
    if isinstance(protocol, str):
        protocol = find_protocol(protocol)
    _check_sources(results)
    trackers = [_Measured(ResultFiles(source, box_format)) for source in results]
    truths = protocol.benchmark.annotations(Path(annotations))
    names = select_sequences(protocol, truths, sequences)
    _measure_all(protocol, truths, names, trackers, report_progress)
    missing = {name for tracker in trackers for name in tracker.missing}
    if missing and not skip_missing:
        raise DataError(_missing_message(trackers, len(names)))
    kept = [name for name in names if name not in missing]
    if not kept:
        raise DataError(f'no sequence of {annotations} has a result of every tracker')
    left_out = [name for name in names if name in missing]
    first = truths.read(kept[0])
    labels = _labels([tracker.files for tracker in trackers])
    common = _left_out_note(left_out, len(names))
    return [
        tracker.evaluation(protocol, label, kept, (*common, *tracker.notes(first)))
        for label, tracker in zip(labels, trackers, strict=True)
    ]


@dataclass
class _Measured:
    """What came out of one tracker's files so far.

    expected: which file was looked for in vain, first; other_rows: of sequences whose result has another
    number of rows than the truth, both numbers.
    """

    files: ResultFiles
    parts: dict[str, Part] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    expected: str = ''
    other_rows: dict[str, tuple[int, int]] = field(default_factory=dict)

    def measure(self, protocol: Protocol, name: str, truth: Any) -> None:
        try:
            result = protocol.rule.read(self.files, truth)
        except MissingResultError as error:
            self.missing.append(name)
            self.expected = self.expected or str(error).rpartition(': ')[2]
            return
        if isinstance(truth, BoxTruth) and isinstance(result, np.ndarray) and len(result) != len(truth.boxes):
            self.other_rows[name] = len(result), len(truth.boxes)
        try:
            self.parts[name] = protocol.rule.measure(truth, result)
        except DataError as error:
            raise DataError(f'{self._place(name)}: {error}') from error

    def evaluation(
        self, protocol: Protocol, label: str, names: Sequence[str], notes: tuple[str, ...]
    ) -> Evaluation:
        parts = tuple(self.parts[name] for name in names)
        try:
            scores = protocol.rule.total(parts)
            notes += protocol.rule.notes(parts)
        except DataError as error:
            raise DataError(f'{self.files.source}: {error}') from error
        return Evaluation(protocol, label, self.files.source, parts, scores, notes)

    def notes(self, truth: Any) -> tuple[str, ...]:
        """What should be known of the files; truth: of a sequence that was judged."""
        notes: tuple[str, ...] = ()
        if self.other_rows:
            name, (rows, frames) = next(iter(self.other_rows.items()))
            notes = (
                f'{len(self.other_rows)} of {len(self.parts)} results have another number of rows than the '
                f'truth, and were cut or filled as the rule has it: {name} has {rows} for {frames} frames',
            )
        if isinstance(truth, BoxTruth) and BoxResults in self.files.views:
            notes += BoxResults.of(self.files).notes(truth.name, truth.boxes[0])
        return notes

    def _place(self, name: str) -> str:
        """The file of a sequence, or the tracker's folder where the rule chooses its files otherwise."""
        if BoxResults in self.files.views:
            with suppress(DataError):
                return self.files.where(BoxResults.of(self.files).index.boxes(name)[0])
        return str(self.files.source)


def _check_sources(results: Sequence[PathLike]) -> None:
    if not results:
        raise InputError('give the results of at least one tracker')
    twice = [source for source, count in Counter(map(os.path.abspath, results)).items() if count > 1]
    if twice:
        raise InputError(f'the results {twice[0]} are given more than once')


def _measure_all(
    protocol: Protocol,
    truths: Annotations[Any],
    names: Sequence[str],
    trackers: Sequence[_Measured],
    report_progress: Callable[[int, int], None] | None,
) -> None:
    for done, name in enumerate(names, start=1):
        truth = truths.read(name)
        for tracker in trackers:
            tracker.measure(protocol, name, truth)
        if report_progress is not None:
            report_progress(done, len(names))


def _missing_message(trackers: Sequence[_Measured], total: int) -> str:
    tracker = next(tracker for tracker in trackers if tracker.missing)
    found = BoxResults.of(tracker.files).names() if BoxResults in tracker.files.views else ()
    there = f'; its files are those of {some_of(found)}' if found and not tracker.parts else ''
    return (
        f'{tracker.files.source} has no result of {len(tracker.missing)} of {total} sequences '
        f'({some_of(tracker.missing)}; {tracker.expected}){there}: add them, or leave them out for all '
        'trackers (--skip-missing)'
    )


def _left_out_note(names: Sequence[str], total: int) -> tuple[str, ...]:
    if not names:
        return ()
    return (f'{len(names)} of {total} sequences left out, because a tracker lacks them: {some_of(names)}',)


def _labels(trackers: Sequence[ResultFiles]) -> list[str]:
    """Names of the trackers; if two have the same, with as much of their paths as tells them apart."""
    paths = [(*Path(os.path.abspath(files.source)).parts[:-1], files.name) for files in trackers]
    labels = [files.name for files in trackers]
    for length in range(2, max(map(len, paths)) + 1):
        if len(set(labels)) == len(labels):
            break
        labels = ['/'.join(parts[-length:]) for parts in paths]
    return labels
