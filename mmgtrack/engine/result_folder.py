"""The folder that a test writes into: a file a sequence and target, whole or not there."""

import contextlib
import glob
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from mmgtrack.datasets.sequence import Sequence as Video
from mmgtrack.engine.manifest import differences
from mmgtrack.engine.track_group import BrokenSequence, SequenceResult, given_targets
from mmgtrack.errors import InputError, OutputError
from mmgtrack.evaluation.results.as_read import target_tracks, write_rows
from mmgtrack.files import replacing
from mmgtrack.formats.box_rows import parse_rows
from mmgtrack.formats.disk import read_text
from mmgtrack.formats.track_csv import TrackRows, parse_track_csv

MANIFEST = 'manifest.json'
FAILED = 'failed.json'
_LOCK = '.lock'
_SHOWN = 3
# what a sequence's files are called, whole and half-written
_FILE = re.compile(r'(?P<stem>(?P<name>.+?)(#\d+)?)(\.csv|_time\.txt)(?P<partial>\.part)?')
# of the given box, in pixels: what four decimals and float32 lose
_SAME_BOX = 1e-2


class ResultFolder:
    """Results of one run, also of one that was cut off.

    ``<sequence>.csv`` has the rows of ``format_track_csv`` for every frame, the given box first; with several
    targets there is ``<sequence>#1.csv`` and so on. ``<sequence>_time.txt`` beside it has the seconds of
    every frame. ``manifest.json`` says what they depend on, ``failed.json`` which sequences have no result.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    @contextlib.contextmanager
    def opened(self, manifest: dict[str, Any], *, overwrite: bool = False) -> Iterator[None]:
        """Take the folder for one run, of which one process does this; it is made where it is not there.

        What a killed run left half-written is removed; overwrite: earlier results, too. Files of others and
        folders below are left alone: what a run wrote goes by the names in its manifest. Raises OutputError
        where another process has the folder, where it holds results that were made otherwise, and where it
        cannot be written.
        """
        with contextlib.ExitStack() as stack:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_locked(self.path))
                self._prepare(manifest, overwrite)
            except OutputError:
                raise
            except OSError as error:
                raise OutputError(
                    f'cannot write into {self.path}: {error.strerror}; give another --out'
                ) from error
            yield

    def has(self, name: str) -> bool:
        """Whether there is a result of a sequence, of one target at least."""
        place = self._place(name)
        return place.with_name(f'{place.name}.csv').is_file() or any(
            place.parent.glob(f'{glob.escape(place.name)}#*.csv')
        )

    def is_complete(self, sequence: Video) -> bool:
        """Whether all results of a sequence are there.

        Raises OutputError for one of another length or first box: it was made from other data; DataError for
        a damaged one.
        """
        stems = self._stems(sequence)
        ends = ('.csv', '_time.txt')
        if not all((self.path / f'{stem}{end}').is_file() for stem in stems.values() for end in ends):
            return False
        for target, stem in stems.items():
            rows = self._rows(stem)
            x1, y1, x2, y2 = sequence.boxes[0, target].tolist()
            given = np.array([x1, y1, x2 - x1, y2 - y1])
            same = rows.first == 0 and len(rows.boxes) == len(sequence)
            if not same or np.abs(rows.boxes[0] - given).max() > _SAME_BOX:
                raise OutputError(
                    f'{self.path}/{stem}.csv was made from other data: it has {len(rows.boxes)} rows, '
                    f'the sequence {len(sequence)} frames, or another first box; give another --out, or '
                    'replace the results with --overwrite'
                )
        return all(len(self._times(stem)) == len(sequence) for stem in stems.values())

    def write(self, sequence: Video, result: SequenceResult) -> None:
        """Raises OutputError."""
        self._place(sequence.name)
        for track in target_tracks(sequence, vars(result)):
            write_rows(self.path, track)

    def read(self, sequence: Video) -> SequenceResult:
        """The result of a sequence as it is written. Raises DataError."""
        stems = self._stems(sequence)
        tracks = [self._rows(stem) for stem in stems.values()]
        boxes = np.stack([track.boxes for track in tracks], axis=1)
        boxes[..., 2:] += boxes[..., :2]
        return SequenceResult(
            sequence.name,
            np.array(list(stems)),
            boxes,
            np.stack([track.scores for track in tracks], axis=1),
            np.stack([track.present for track in tracks], axis=1),
            self._times(next(iter(stems.values()))),
        )

    def write_failed(self, broken: Sequence[BrokenSequence]) -> None:
        """List the sequences without a result; no file where there is none.

        Results from before a sequence broke are removed.
        """
        path = self.path / FAILED
        for old in list(self._files((each.name for each in broken), partial=None)):
            old.unlink()
        if not broken:
            path.unlink(missing_ok=True)
            return
        with replacing(path) as file:
            file.write(json.dumps({each.name: each.reason for each in broken}, indent=1).encode())

    def _stems(self, sequence: Video) -> dict[int, str]:
        """Column of a target to the path of its file, without ending."""
        self._place(sequence.name)
        targets = given_targets(sequence).tolist()
        if sequence.num_targets == 1:
            return {target: sequence.name for target in targets}
        return {target: f'{sequence.name}#{target + 1}' for target in targets}

    def _place(self, name: str) -> Path:
        pure = PurePosixPath(name)
        if pure.is_absolute() or '..' in pure.parts or not pure.name:
            raise InputError(f'the sequence {name!r} has a name that would leave the folder of results')
        return self.path / name

    def _rows(self, stem: str) -> TrackRows:
        file = self.path / f'{stem}.csv'
        return parse_track_csv(read_text(file), str(file))

    def _times(self, stem: str) -> np.ndarray:
        file = self.path / f'{stem}_time.txt'
        return parse_rows(read_text(file), str(file), columns=1)[:, 0]

    def _prepare(self, manifest: dict[str, Any], overwrite: bool) -> None:
        before = self._manifest_there()
        if before is None or not overwrite:
            self._check(before, manifest)
        if before is not None:
            for path in list(
                self._files(_names(before) or _names(manifest), partial=None if overwrite else True)
            ):
                path.unlink()
            if overwrite:
                (self.path / FAILED).unlink(missing_ok=True)
        with replacing(self.path / MANIFEST) as file:
            file.write(json.dumps(manifest, indent=1).encode())

    def _manifest_there(self) -> Any:
        """None where there is none, an empty one where it is damaged."""
        file = self.path / MANIFEST
        if not file.is_file():
            return None
        try:
            return json.loads(file.read_bytes())
        except ValueError:
            return {}

    def _check(self, before: Any, manifest: dict[str, Any]) -> None:
        """Refuse results that were made otherwise."""
        if before is None:
            if any(self._files(_names(manifest), partial=False)):
                raise OutputError(f'{self.path} holds results without a {MANIFEST}: give another --out')
            return
        unlike = differences(before, manifest) if before else [f'{MANIFEST} is damaged']
        if unlike:
            more = len(unlike) - _SHOWN
            shown = ', '.join(unlike[:_SHOWN]) + (f' and {more} more' if more > 0 else '')
            raise OutputError(
                f'{self.path} holds results that were made otherwise: {shown}; give another --out, or '
                'replace them with --overwrite'
            )

    def _files(self, names: Iterable[str], *, partial: bool | None) -> Iterator[Path]:
        """Those there of these sequences; partial: only half-written ones, or only whole ones; None: both."""
        places = {self._place(name) for name in names}
        for folder in {place.parent for place in places}:
            for path in folder.iterdir() if folder.is_dir() else ():
                found = _FILE.fullmatch(path.name)
                if found is None or partial is (found['partial'] is None):
                    continue
                if not places.isdisjoint((folder / found['name'], folder / found['stem'])):
                    yield path


def _names(manifest: Any) -> list[str]:
    """Of the sequences of a run; none where the manifest does not say."""
    names = (manifest.get('data') or {}).get('names') if isinstance(manifest, dict) else None
    return names if isinstance(names, list) else []


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes out until this one ends, in whatever way. Raises OutputError."""
    try:
        import fcntl
    except ImportError:  # Windows: two runs in one folder are the user's to avoid
        yield
        return
    with open(folder / _LOCK, 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f'another process is writing into {folder}: wait for it, or give another --out'
            ) from error
        yield
