"""Which files hold the boxes of a sequence, in the layouts that trackers leave."""

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from itertools import pairwise

from mmgtrack.errors import DataError
from mmgtrack.evaluation.results.files import MissingResultError, ResultFiles

TIMES = '_time'
SCORES = '_object_presence_scores'
# what trackers derived from pytracking write beside a box file; the last two are not read
_SIDES = (TIMES, SCORES, '_all_boxes', '_all_scores')
# pytracking puts these before the names of NfS, UAV123 and TColor-128
_PREFIXES = ('nfs_', 'uav_', 'tpl_')
_REPETITION = re.compile(r'(.+)_(\d{3})')
_OWN_TRACK = re.compile(r'track_\d+')
_OWN_FOLDER = re.compile(r'_tracks(_\d+)?$')


@dataclass(frozen=True)
class BoxFile:
    """A file of boxes. repetition: GOT-10k's number from 1; 0 where the layout has no repetitions."""

    sequence: str
    repetition: int
    path: str


class BoxIndex:
    """The box files of a tracker by sequence, made once from the paths alone.

    Layouts: ``<seq>.txt`` | ``.csv`` | ``.mat`` in any folder; ``<seq>/<seq>_001.txt`` and so on (GOT-10k);
    ``<seq>_<tracker>.mat`` (OTB); ``<seq>/track_1.csv`` or ``<seq>_tracks/track_1.csv`` (mmgtrack track).
    Names are compared without regard to case and to which of . _ - they have (Jogging-1 is Jogging_1).
    A prefix like ``nfs_`` that only the asked name has does not count, and one that only the file has does
    not where the rest is the asked name to the letter: one folder may hold the results of all sets, and
    NfS's basketball_1 is not LaSOT's basketball-1, nor is UAV123's car4 OTB's Car4.
    """

    def __init__(self, files: ResultFiles) -> None:
        self._source = files.source
        files_found = (_box_file(path, files.name) for path in files.paths)
        found = _without_tracker_names([file for file in files_found if file is not None])
        self._boxes: dict[str, list[BoxFile]] = defaultdict(list)
        self._sides: dict[tuple[str, str], list[str]] = defaultdict(list)
        keys = {_key(file.sequence) for file in found}
        for file in found:
            side = next((side for side in _SIDES if file.path.endswith(f'{side}.txt')), '')
            owner = _key(file.sequence.removesuffix(side))
            if side and owner in keys:
                self._sides[owner, side].append(file.path)
            else:
                self._boxes[_key(file.sequence)].append(file)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the sequences, sorted, as the files write them."""
        return tuple(sorted(files[0].sequence for files in self._boxes.values()))

    def name_of(self, name: str) -> str | None:
        """How the files write the name of a sequence; None where they have no such sequence."""
        key = self._find(name)
        return None if key is None else self._boxes[key][0].sequence

    def boxes(self, name: str) -> list[str]:
        """Paths of the repetitions. Raises MissingResultError; DataError where two files fit."""
        key = self._find(name)
        if key is None:
            raise MissingResultError(f'{self._source} has no result of {name}: expected a file {name}.txt')
        files = sorted(self._boxes[key], key=lambda file: (file.repetition, file.path))
        first = files[0]
        for before, file in pairwise(files):
            if file.repetition == before.repetition or first.repetition == 0:
                self._refuse(name, before.path, file.path)
        return [file.path for file in files]

    def side(self, name: str, side: str) -> str | None:
        """Path of the file of TIMES or SCORES. Raises DataError where two files fit."""
        paths = self._sides.get((self._find(name) or '', side), [])
        if len(paths) > 1:
            self._refuse(name, *paths[:2])
        return paths[0] if paths else None

    def _find(self, name: str) -> str | None:
        stripped = next((name.removeprefix(p) for p in _PREFIXES if name.startswith(p)), name)
        found = next((key for key in (_key(name), _key(stripped)) if key in self._boxes), None)
        if found is not None:
            return found
        prefixed = [p + name for p in _PREFIXES if p + name in self.names]
        if len(prefixed) > 1:
            self._refuse(name, *prefixed[:2])
        return _key(prefixed[0]) if prefixed else None

    def _refuse(self, name: str, one: str, other: str) -> None:
        raise DataError(f'{self._source} holds {one} and {other}, which both fit {name}; keep one of them')


def _key(name: str) -> str:
    key = re.sub(r'[._]', '-', name.casefold())
    # OTB: the first target's annotation is empty, so lists with and without a number mean the second
    return 'human4' if key == 'human4-2' else key


def _box_file(path: str, tracker: str) -> BoxFile | None:
    """By the file's name and that of its folder; None for other kinds of files."""
    *folders, filename = path.split('/')
    folder = folders[-1] if folders else tracker
    stem, _, ending = filename.rpartition('.')
    if ending.lower() not in ('txt', 'csv', 'mat'):
        return None
    if ending == 'csv' and _OWN_TRACK.fullmatch(stem):
        return BoxFile(_OWN_FOLDER.sub('', folder), 0, path)
    repetition = _REPETITION.fullmatch(stem)
    if repetition and folders and repetition[1] == folder:
        return BoxFile(folder, int(repetition[2]), path)
    return BoxFile(stem, 0, path)


def _without_tracker_names(files: list[BoxFile]) -> list[BoxFile]:
    """``basketball_CSK.mat`` to the sequence basketball, where all .mat files end in the same word."""
    words = {file.sequence.rpartition('_')[2] for file in files if file.path.endswith('.mat')}
    if len(words) != 1 or words.pop().isdigit():  # a number belongs to the sequence: Jogging_1
        return files
    return [
        replace(file, sequence=file.sequence.rpartition('_')[0] or file.sequence)
        if file.path.endswith('.mat')
        else file
        for file in files
    ]
