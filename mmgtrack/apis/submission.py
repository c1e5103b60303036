"""A submission from the results of a test, in whatever form the server wants them."""

import os
import tempfile
from pathlib import Path
from typing import Any

from mmgtrack.datasets.catalogue import DataSet
from mmgtrack.engine.result_folder import ResultFolder
from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation.benchmarks import Protocol, find_protocol
from mmgtrack.evaluation.results.as_read import check_one_run, target_tracks, write_for
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.selection import ALL
from mmgtrack.evaluation.submissions import (
    FROM_ANNOTATIONS,
    Expected,
    check_submission,
    collector_of,
    expected_sequences,
    pack_submission,
    shown_problems,
)

_READ_LIKE = {'oxuva': 'oxuva_dev'}
"""Kinds of which no truth is published: a protocol that reads the same files."""


def submission_kind(data_set: DataSet | None) -> str:
    """Of a data set: what its server takes; files of boxes where its truth is open.

    Raises InputError where there is none that one run over each sequence can fill.
    """
    if data_set is None:
        raise InputError('which server is the submission for? name the data set with --data')
    kind = data_set.submission or data_set.protocol
    if kind is None:
        raise InputError(f'{data_set.title} is no benchmark, so there is no submission of it')
    collector_of(kind)
    form = _form(data_set)
    if form is not None:
        check_one_run(form)
    return kind


def pack_results(
    data_set: DataSet,
    folder: ResultFolder,
    reader: Any,
    root: Path,
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
) -> None:
    """Check the results of all sequences against the data set in ``root`` and pack them.

    Raises DataError with the first problems, and writes nothing then; OutputError.
    """
    kind, form = submission_kind(data_set), _form(data_set)
    collector, expected = collector_of(kind), _expected(kind, root, tuple(reader.names))
    with tempfile.TemporaryDirectory() as written:
        tracker = Path(written) / folder.path.resolve().name  # VOT's manifest names the tracker so
        tracker.mkdir()
        for index in range(len(reader)):
            sequence = reader[index]
            for track in target_tracks(sequence, vars(folder.read(sequence))):
                write_for(form, tracker, track)
        results = ResultFiles(tracker)
        problems = check_submission(collector, results, expected)
        if problems:
            raise DataError(f'{out} is not written: {"; ".join(shown_problems(problems))}')
        pack_submission(collector, results, expected, out, overwrite=overwrite)


def _form(data_set: DataSet) -> Protocol | None:
    """A protocol that reads the form that the server takes; None: boxes."""
    name = data_set.protocol or _READ_LIKE.get(data_set.submission or '')
    return None if name is None else find_protocol(name)


def _expected(kind: str, root: Path, names: tuple[str, ...]) -> Expected:
    if kind in FROM_ANNOTATIONS:
        return expected_sequences(kind, root, None)
    return expected_sequences(kind, root, ALL).of(Expected(names))
