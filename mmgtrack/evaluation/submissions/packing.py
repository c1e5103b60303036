"""Checking results against a test set, and packing them for its server."""

import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from mmgtrack.errors import DataError, InputError, OutputError
from mmgtrack.evaluation.benchmarks import BENCHMARKS
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.rules.one_pass import OnePassRule
from mmgtrack.evaluation.submissions.boxes import collect_got10k, collect_plain
from mmgtrack.evaluation.submissions.collected import Collected
from mmgtrack.evaluation.submissions.expected import Expected
from mmgtrack.evaluation.submissions.oxuva import collect_oxuva
from mmgtrack.evaluation.submissions.vot import MANIFEST, collect_vot, manifest
from mmgtrack.files import replacing

COLLECTORS: dict[str, Callable[[ResultFiles, Expected], Collected]] = {
    'got10k': collect_got10k,
    'trackingnet': collect_plain,
    'oxuva': collect_oxuva,
    'vot': collect_vot,
    'plain': collect_plain,
}
SHOWN_PROBLEMS = 20
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # what a zip archive can say
_TRACKER = re.compile(r'[A-Za-z0-9_-]+')


def collector_of(kind: str) -> str:
    """Which of COLLECTORS is for a kind: results of benchmarks without a server are plain.

    Raises InputError for an unknown kind, or a benchmark whose results are no files of boxes.
    """
    if kind in COLLECTORS:
        return kind
    plain = [b.name for b in BENCHMARKS if isinstance(b.rule, OnePassRule)]
    if kind not in plain:
        known = ', '.join([*COLLECTORS, *plain])
        raise InputError(f'no kind of submission {kind!r}; expected one of {known}')
    return 'plain'


def check_submission(kind: str, results: ResultFiles, expected: Expected) -> list[str]:
    """What keeps these results from being submitted, a line each; none where all is well.

    kind: one of COLLECTORS. Raises InputError for another one.
    """
    return _collect(kind, results, expected).problems


def pack_submission(
    kind: str,
    results: ResultFiles,
    expected: Expected,
    out_zip: str | os.PathLike[str],
    *,
    tracker: str | None = None,
    overwrite: bool = False,
) -> None:
    """Write the archive that the server takes; the same results give the same bytes.

    Boxes are written anew in the server's format, whatever separators and layout they came in, and the
    archive is read again and checked before it takes its name.
    tracker: identifier in VOT's manifest, default the name of the results.
    Raises DataError with the first problems where there are any, and writes nothing then; OutputError where
    ``out_zip`` exists (unless ``overwrite``), is the source, or cannot be written.
    """
    out_zip = Path(out_zip)
    _check_place(out_zip, results.source, overwrite)
    found = _collect(kind, results, expected)
    if found.problems:
        raise DataError(f'{results.source}: nothing is packed; {"; ".join(shown_problems(found.problems))}')
    extra = {MANIFEST: manifest(_identifier(tracker or results.name))} if kind == 'vot' else {}
    content = _archive({**found.files, **extra})
    with replacing(out_zip) as file:
        file.write(content)
        file.flush()
        _verify(kind, ResultFiles(file.name), expected, found)


def shown_problems(problems: list[str]) -> list[str]:
    """The first ones, and how many more there are."""
    more = len(problems) - SHOWN_PROBLEMS
    return problems[:SHOWN_PROBLEMS] + ([f'and {more} more'] if more > 0 else [])


def _collect(kind: str, results: ResultFiles, expected: Expected) -> Collected:
    if kind not in COLLECTORS:
        raise InputError(f'no kind of submission {kind!r}; expected one of {", ".join(COLLECTORS)}')
    return COLLECTORS[kind](results, expected)


def _check_place(out_zip: Path, source: Path, overwrite: bool) -> None:
    try:
        there = out_zip.exists()
        is_source = there and out_zip.samefile(source)
    except (OSError, ValueError) as error:
        raise OutputError(f'cannot write {out_zip}: {error}') from error
    if is_source:
        raise OutputError(f'{out_zip} is the source itself; choose another name')
    if there and not overwrite:
        raise OutputError(f'{out_zip} exists already; choose another name, or replace it with --overwrite')


def _identifier(tracker: str) -> str:
    if not _TRACKER.fullmatch(tracker):
        raise InputError(
            f'{tracker!r} is no identifier of a VOT tracker: letters, digits, - and _ only (--tracker NAME)'
        )
    return tracker


def _archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files):
            entry = zipfile.ZipInfo(path, _EARLIEST)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever this runs
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, files[path])
    return buffer.getvalue()


def _verify(kind: str, written: ResultFiles, expected: Expected, found: Collected) -> None:
    """Raises OutputError where the archive does not say what was put in."""
    again = _collect(kind, written, expected)
    if again.problems or again.files != found.files:
        raise OutputError(f'{written.source} could not be read back as it was written: {again.problems[:1]}')
