"""From a folder of results and a folder of annotations to the numbers of a protocol."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.annotations.base import Annotations, BoxTruth
from mmgtrack.evaluation.benchmarks import Protocol, find_protocol
from mmgtrack.evaluation.results.box_results import BoxResults
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles
from mmgtrack.evaluation.rules.base import Part, Scores
from mmgtrack.sequence_tables import load_table

ALL = 'all'
"""For ``sequences``: all that the annotations hold."""

_NAMES_SHOWN = 5

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
    if not results:
        raise InputError('give the results of at least one tracker')
    trackers = [ResultFiles(source, box_format) for source in results]
    truths = protocol.benchmark.annotations(Path(annotations))
    names = select_sequences(protocol, truths, sequences)
    parts, missing = _measure_all(protocol, truths, names, trackers, report_progress)
    if missing and not skip_missing:
        raise DataError(_missing_message(missing, trackers, len(names)))
    kept = [name for name in names if name not in missing]
    if not kept:
        raise DataError(f'no sequence of {annotations} has a result of every tracker')
    left_out = [_left_out_note(missing, len(names))] if missing else []
    labels = _labels(trackers)
    first = truths.read(kept[0])
    return [
        Evaluation(
            protocol,
            label,
            files.source,
            chosen := tuple(parts[index][name] for name in kept),
            protocol.rule.total(chosen),
            (*left_out, *protocol.rule.notes(chosen), *_notes(files, first)),
        )
        for index, (label, files) in enumerate(zip(labels, trackers, strict=True))
    ]


def select_sequences(
    protocol: Protocol, truths: Annotations[Any], wanted: str | Sequence[str] | None
) -> tuple[str, ...]:
    """Names of the sequences to judge; the arguments are those of ``evaluate``."""
    there = set(truths.names)
    if isinstance(wanted, str) and wanted != ALL:
        raise InputError(f'sequences are {ALL!r} or a list of names, got {wanted!r}')
    table = protocol.benchmark.table
    if wanted == ALL or (wanted is None and table is None):
        return truths.names
    names = tuple(wanted) if wanted is not None else load_table(str(table)).names
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(f'the list of sequences holds {twice[0]!r} more than once')
    if not names:
        raise DataError('the list of sequences is empty')
    lacking = [name for name in names if name not in there]
    if lacking and wanted is None:
        raise DataError(
            f'{truths.root} has annotations of {len(names) - len(lacking)} of the {len(names)} sequences of '
            f'{protocol.benchmark.title} ({_some(lacking)} missing): give the whole benchmark, or choose '
            'sequences (--sequences all: those that are there)'
        )
    if lacking:
        raise DataError(f'{truths.root} has no annotations of {_some(lacking)}')
    if wanted is None:  # in the order of the annotations, on which OxUvA's bootstrap depends
        return tuple(name for name in truths.names if name in set(names))
    return names


def _measure_all(
    protocol: Protocol,
    truths: Annotations[Any],
    names: Sequence[str],
    trackers: Sequence[ResultFiles],
    report_progress: Callable[[int, int], None] | None,
) -> tuple[list[dict[str, Part]], dict[str, list[int]]]:
    """Parts by tracker and name, and the trackers that lack a sequence, by its name."""
    parts: list[dict[str, Part]] = [{} for _ in trackers]
    missing: dict[str, list[int]] = {}
    for done, name in enumerate(names, start=1):
        truth = truths.read(name)
        for index, files in enumerate(trackers):
            try:
                result = protocol.rule.read(files, truth)
            except MissingResultError:
                missing.setdefault(name, []).append(index)
                continue
            parts[index][name] = protocol.rule.measure(truth, result)
        if report_progress is not None:
            report_progress(done, len(names))
    return parts, missing


def _missing_message(missing: dict[str, list[int]], trackers: Sequence[ResultFiles], total: int) -> str:
    index = next(iter(missing.values()))[0]
    lacking = [name for name, indices in missing.items() if index in indices]
    return (
        f'{trackers[index].source} has no result of {len(lacking)} of {total} sequences ({_some(lacking)}): '
        'add them, or leave them out for all trackers (--skip-missing)'
    )


def _left_out_note(missing: dict[str, list[int]], total: int) -> str:
    lacking = _some(list(missing))
    return f'{len(missing)} of {total} sequences left out, because a tracker lacks them: {lacking}'


def _notes(files: ResultFiles, truth: Any) -> Iterator[str]:
    """What the boxes look like, where the rule looked at boxes; truth: of a sequence that was judged."""
    if not isinstance(truth, BoxTruth) or BoxResults not in files.views:
        return
    boxes = BoxResults.of(files)
    notes = (boxes.integer_note, boxes.first_row_hint(truth.name, truth.boxes[0]))
    yield from (note for note in notes if note is not None)


def _labels(trackers: Sequence[ResultFiles]) -> list[str]:
    """Names of the trackers; the whole path where two have the same name."""
    counts = Counter(files.name for files in trackers)
    return [files.name if counts[files.name] == 1 else str(files.source) for files in trackers]


def _some(names: Sequence[str]) -> str:
    shown = ', '.join(names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f'{shown} and {len(names) - _NAMES_SHOWN} more'
