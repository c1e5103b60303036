"""VOT's submission: trajectories by experiment and sequence, and a manifest."""

import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import ResultFiles
from mmgtrack.evaluation.results.vot import read_trajectory
from mmgtrack.evaluation.submissions.collected import Collected
from mmgtrack.evaluation.submissions.expected import Expected
from mmgtrack.version import __version__

MANIFEST = 'manifest.yml'
_REPETITION_DIGITS = 3
_ANCHOR_DIGITS = 8


def collect_vot(results: ResultFiles, expected: Expected) -> Collected:
    """``<experiment>/<sequence>/<files>`` as they are; the folder of results is ``results/<tracker>``."""
    found = Collected()
    by_place: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in results.paths:
        parts = path.split('/')
        if len(parts) == 3:
            by_place[parts[0], parts[1]].append(path)
        elif path != MANIFEST:
            found.problems.append(f'{path}: expected EXPERIMENT/SEQUENCE/FILE')
    experiments = sorted({experiment for experiment, _ in by_place})
    if not experiments:
        found.problems.append('no experiment: expected EXPERIMENT/SEQUENCE/FILE')
    for experiment, sequence in sorted(by_place):
        if sequence not in expected.names:
            found.problems.append(f'{experiment}/{sequence}: not a sequence of this set')
    for experiment in experiments:
        paths = [path for (other, _), some in by_place.items() if other == experiment for path in some]
        found.problems += _missing_confidences(paths)
        for sequence in expected.names:
            paths = by_place.get((experiment, sequence), [])
            problems = list(_problems(results, experiment, sequence, paths, expected))
            found.problems += problems
            if not problems:
                found.files.update({path: results.read_bytes(path) for path in paths})
    return found


def manifest(tracker: str) -> bytes:
    """What ``vot pack`` adds, as far as it is known of results that were only read.

    The time is the first that a zip archive can say, so that the same results give the same archive.
    """
    lines = (
        f'identifier: {tracker}',
        'configuration: {}',
        "timestamp: '1980-01-01T00-00-00.000000'",
        f'toolkit: mmgtrack {__version__}',
    )
    return ''.join(f'{line}\n' for line in lines).encode()


def _problems(
    results: ResultFiles, experiment: str, sequence: str, paths: list[str], expected: Expected
) -> Iterator[str]:
    where = f'{experiment}/{sequence}'
    if not paths:
        yield f'{where}: no result'
        return
    runs, others = _runs(sequence, paths)
    yield from (f'{path}: not a file of {sequence}' for path in others)
    if not runs:
        yield f'{where}: no trajectory'
    if len({len(digits) for digits in runs}) > 1:
        yield f'{where}: runs of the whole sequence and from anchors in one experiment'
    anchors = expected.anchors.get(sequence)
    yield from _anchor_problems(where, runs, anchors)
    for digits, endings in sorted(runs.items()):
        name = f'{sequence}_{digits}'
        if len(endings) > 1:
            yield f'{where}/{name}: both as .txt and as .bin, keep one'
        try:
            length = len(read_trajectory(results, sequence, name, experiment).regions)
        except DataError as error:
            yield str(error)
            continue
        allowed = _lengths(digits, expected.frames.get(sequence), anchors)
        if allowed and length not in allowed:
            yield f'{where}/{name}: {length} rows, expected {" or ".join(map(str, sorted(allowed)))}'


def _missing_confidences(paths: list[str]) -> Iterator[str]:
    """Of runs over whole sequences: a tracker reports it in all of them or in none; else it counts as 0."""
    matches = (re.fullmatch(rf'(.+_\d{{{_REPETITION_DIGITS}}})\.(?:txt|bin)', path) for path in paths)
    trajectories = {match[1] for match in matches if match is not None}
    lacking = sorted(run for run in trajectories if f'{run}_confidence.value' not in paths)
    if len(lacking) < len(trajectories):
        yield from (f'{run}_confidence.value: missing, although other runs have one' for run in lacking)


def _runs(sequence: str, paths: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Endings by the digits of a run, and what belongs to no run."""
    runs: dict[str, list[str]] = defaultdict(list)
    others = []
    trajectory = re.compile(
        rf'{re.escape(sequence)}_(\d{{{_REPETITION_DIGITS}}}|\d{{{_ANCHOR_DIGITS}}})\.(txt|bin)'
    )
    value = re.compile(rf'{re.escape(sequence)}_\w+\.value')
    for path in paths:
        filename = path.rsplit('/', 1)[-1]
        match = trajectory.fullmatch(filename)
        if match:
            runs[match[1]].append(match[2])
        elif not value.fullmatch(filename):
            others.append(path)
    return runs, others


def _anchor_problems(where: str, runs: dict[str, list[str]], anchors: np.ndarray | None) -> Iterator[str]:
    """Of a multi-start experiment; runs over whole sequences have none."""
    started = {int(digits) for digits in runs if len(digits) == _ANCHOR_DIGITS}
    if anchors is None or not started:
        return
    wanted = set(np.flatnonzero(anchors).tolist())
    for frame in sorted(wanted ^ started):
        yield f'{where}: ' + (
            f'no run from anchor {frame}' if frame in wanted else f'frame {frame} is no anchor'
        )


def _lengths(digits: str, frames: int | None, anchors: np.ndarray | None) -> set[int]:
    """Numbers of rows that a run may have, none where that is not known.

    A run from an anchor goes to the last frame where the anchor is > 0, back to the first where it is < 0.
    """
    if frames is None:
        return set()
    if len(digits) == _REPETITION_DIGITS:
        return {frames}
    start = int(digits)
    direction = 0 if anchors is None or start >= len(anchors) else anchors[start]
    forward, backward = frames - start, start + 1
    either = {count for count in (forward, backward) if 0 < count <= frames}
    return {forward} if direction > 0 else {backward} if direction < 0 else either
