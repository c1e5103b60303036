"""Test variants of a tracker, a row of a table each, on the same videos."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.runner import find_latest_checkpoint

from mmgtrack.apis.models import load_config
from mmgtrack.apis.testing import TestOptions, run_test
from mmgtrack.checkpoint import load_checkpoint_file
from mmgtrack.datasets.catalogue import find_data_set, reader_config
from mmgtrack.datasets.data_root import default_data_folder
from mmgtrack.engine.result_folder import ResultFolder
from mmgtrack.errors import DataError, InputError, MMGTrackError
from mmgtrack.evaluation.ablation import Variant, common_sequences, sequence_scores
from mmgtrack.packaged_configs import find_weights, run_config, suggest
from mmgtrack.registry import DATASETS


@dataclass(frozen=True)
class Videos:
    """Where to track: a data set by name, in ``root`` or where the catalogue looks for it.

    data: None: the test set of each row's config; sequences: names; None: all.
    """

    data: str | None = None
    root: str | None = None
    sequences: Sequence[str] | None = None


@dataclass(frozen=True)
class Row:
    """A variant: a config, what is changed in it, and its weights.

    config: file, ``mmgtrack::NAME.py`` or name of a model; checkpoint: weights, or the work folder of a
    training, of which the last checkpoint counts, as it is or below the work dirs; None: the folder there
    that has the config's name. options: config keys, dotted. grid: keys with lists of values, of which those
    are taken that have the largest AUC on the videos of ``chosen_by``.
    """

    name: str
    config: str
    checkpoint: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    chosen_by: Videos | None = None

    @property
    def folder(self) -> str:
        """Name of its folder: letters, digits and underscores."""
        return re.sub(r'\W+', '_', self.name).strip('_').lower()


@dataclass(frozen=True)
class Study:
    """What all rows have in common.

    out: folder of results, one a row; work_dirs: of trainings; chosen_by: in place of the rows' own; what it
    leaves open is theirs.
    """

    videos: Videos
    out: Path
    work_dirs: Path = Path('work_dirs')
    chosen_by: Videos | None = None
    device: str | None = None
    overwrite: bool = False


def read_rows(path: Path, table: str) -> list[Row]:
    """The rows of a table in a Python file of lists of dicts. Raises InputError where they are not right."""
    tables = run_config(path).to_dict()
    if table not in tables:
        raise InputError(f'{path} has no table {table!r}; {suggest(table, tables)}')
    try:
        rows = [_row(**settings) for settings in tables[table]]
    except TypeError as error:
        fields = ', '.join(Row.__dataclass_fields__)
        raise InputError(f'{path}: each row of {table} is a dict of {fields}: {error}') from error
    folders = [row.folder for row in rows]
    if not rows or len(set(folders)) < len(folders) or not all(folders):
        raise InputError(f'{path}: the rows of {table} need names that differ, got {[r.name for r in rows]}')
    return rows


def _row(chosen_by: Mapping[str, Any] | None = None, **settings: Any) -> Row:
    row = Row(**settings, chosen_by=Videos(**chosen_by) if chosen_by else None)
    if not (isinstance(row.name, str) and isinstance(row.config, str)):
        raise TypeError(f'name and config are text, got {row.name!r} and {row.config!r}')
    if not (isinstance(row.options, Mapping) and isinstance(row.grid, Mapping)):
        raise TypeError(f'{row.name}: options and grid are dicts, got {row.options!r} and {row.grid!r}')
    for key, values in row.grid.items():
        if not (isinstance(values, (list, tuple)) and values):
            raise TypeError(f'{row.name}: the grid has a list of values for {key}, got {values!r}')
    return row


def check_choice(row: Row, study: Study) -> None:
    """Raises InputError where a grid's values have no videos to be chosen by, or those that are reported."""
    if not row.grid:
        return
    choice = _choice_of(row, study)
    if choice is None:
        raise InputError(
            f'{row.name!r} tries several values: say on which videos they are to be chosen, by its chosen_by'
        )
    both = sorted({name for _, name in _named(row, choice) & _named(row, study.videos)})
    if both:
        raise InputError(
            f'{row.name!r} would be chosen by videos that are reported, such as {both[0]}: take others, '
            'by its chosen_by or --choose-sequences'
        )


def _choice_of(row: Row, study: Study) -> Videos | None:
    """What to choose by: the study's, and what that leaves open the row's, unless it is of other data."""
    given, own = study.chosen_by, row.chosen_by
    if given is None or own is None:
        return given or own
    if given.data not in (None, own.data):
        return given
    return Videos(own.data, given.root or own.root, given.sequences or own.sequences)


def _named(row: Row, videos: Videos) -> set[tuple[Path, str]]:
    """Sequences with the folder of their data; none where they cannot be read: tracking will say so."""
    try:
        settings = _reader_settings(row, videos)
        names = DATASETS.build(settings).names if videos.sequences is None else videos.sequences
    except MMGTrackError:
        return set()
    root = Path(settings.get('root', '.')).resolve()
    return {(root, name) for name in names}


def run_row(row: Row, study: Study) -> Variant:
    """Test a row; what has been tracked before is not tracked again, see ``run_test``.

    A row without weights, or that fails, has no numbers, and a line that says why. Raises InputError as
    ``check_choice`` does.
    """
    check_choice(row, study)
    row = replace(row, chosen_by=_choice_of(row, study))
    try:
        weights = find_row_weights(row, study.work_dirs)
        if weights is None:
            return Variant(row.name, problem=f'no checkpoint in {_place(row, study.work_dirs)}')
        epoch, unfinished = _training(row, weights)
        settings: dict[str, Any] = dict(
            config=row.config,
            checkpoint=str(weights),
            epoch=epoch,
            options=dict(row.options),
            videos=asdict(study.videos),
        )
        if row.grid:
            chosen, tried = _choose(row, weights, study)
            settings |= dict(chosen=chosen, tried=tried, at_edge=_at_edge(row.grid, chosen))
            row = replace(row, options={**row.options, **chosen})
        found = _test(row, weights, study, study.videos, study.out / row.folder)
    except MMGTrackError as error:
        return Variant(row.name, problem=' '.join(str(error).split()))
    except (RuntimeError, MemoryError, cv2.error) as error:  # such as a full GPU: the other rows go on
        return Variant(row.name, problem=' '.join(f'{type(error).__name__}: {error}'.split()))
    problem = '; '.join(filter(None, (unfinished, found.problem)))
    return replace(found, problem=problem, settings=settings | dict(found.settings))


def _training(row: Row, weights: Path) -> tuple[int | None, str]:
    """The epoch that a checkpoint is of, if it says, and a problem where its training has more of them."""
    epoch = load_checkpoint_file(weights)['meta'].get('epoch')
    planned = (load_config(row.config)[1].get('train_cfg') or {}).get('max_epochs')
    is_short = isinstance(epoch, int) and isinstance(planned, int) and epoch < planned
    return (
        epoch,
        f'{weights.name} is of epoch {epoch} of {planned}: not trained to the end' if is_short else '',
    )


def _at_edge(grid: Mapping[str, Sequence[Any]], chosen: Mapping[str, Any]) -> list[str]:
    """Keys whose chosen number is the least or the largest of several: beyond it may be better ones."""
    return [
        key
        for key, values in grid.items()
        if len(values) > 1
        and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        and chosen[key] in (min(values), max(values))
    ]


def find_row_weights(row: Row, work_dirs: Path) -> Path | None:
    """The checkpoint of a row; None where there is none yet."""
    path: Path | None = _place(row, work_dirs)
    if path is not None and path.is_dir():
        latest = find_latest_checkpoint(str(path))
        path = path / Path(latest).name if latest else None  # also of a folder that was moved
    return path if path is not None and path.is_file() else None


def _place(row: Row, work_dirs: Path) -> Path:
    """The file or folder that a row's checkpoint is, or will be."""
    if row.checkpoint is None:
        return work_dirs / load_config(row.config)[0]
    given = Path(find_weights(row.checkpoint))
    return given if given.exists() else work_dirs / given


def _choose(row: Row, weights: Path, study: Study) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The values of the grid with the largest mean AUC on ``chosen_by``, and what all of them gave.

    Means are over the sequences that could be tracked with all of them.
    """
    assert row.chosen_by is not None
    points: list[tuple[dict[str, Any], Variant]] = []
    for number, values in enumerate(product(*row.grid.values()), start=1):
        options = dict(zip(row.grid, values, strict=True))
        changed = replace(row, options={**row.options, **options})
        out = study.out / row.folder / 'choice' / str(number)
        points.append((options, _test(changed, weights, study, row.chosen_by, out)))
    names = common_sequences([found for _, found in points])
    if not names:
        raise DataError(f'no video to choose values of {", ".join(row.grid)} by could be tracked with all')
    tried: list[dict[str, Any]] = [
        dict(options=options, auc=_mean_auc(found, names), problem=found.problem or None)
        for options, found in points
    ]
    counted = [each for each in tried if np.isfinite(each['auc'])]
    return max(counted, key=lambda each: each['auc'])['options'], tried


def _mean_auc(variant: Variant, names: Sequence[str]) -> float:
    if not variant.sequences:
        return float('nan')
    return float(np.mean([variant.sequences[name]['auc'] for name in names]))


def _test(row: Row, weights: Path, study: Study, videos: Videos, out: Path) -> Variant:
    options = TestOptions(
        work_dir=str(out / 'log'),
        out=str(out / 'results'),
        data=videos.data,
        data_root=videos.root,
        sequences=videos.sequences,
        device=study.device,
        overwrite=study.overwrite,
    )
    # mmengine names runs by the second, and two of one name would share a log
    overrides = {**row.options, 'experiment_name': str(out)}
    report = run_test(row.config, str(weights), options, overrides)
    if report.folder is None:
        raise InputError(f'the test_cfg of {row.config} writes no results: give a data set by name')
    without = {each.name for each in report.broken}
    reader, results = DATASETS.build(_reader_settings(row, videos)), ResultFolder(report.folder)
    sequences: dict[str, dict[str, float]] = {}
    for index, name in enumerate(reader.names):
        if name not in without and (videos.sequences is None or name in videos.sequences):
            video = reader[index]
            sequences |= sequence_scores(video, vars(results.read(video)))
    problem = f'broken: {", ".join(sorted(without))}' if without else ''
    return Variant(row.name, sequences, problem, dict(benchmark=dict(report.headline)))


def _reader_settings(row: Row, videos: Videos) -> dict[str, Any]:
    """Config of what ``run_test`` reads."""
    if videos.data is not None:
        root = videos.root or default_data_folder() / find_data_set(videos.data).folder
        return reader_config(videos.data, root)
    config = load_config(row.config)[1]
    config.merge_from_dict(dict(row.options))
    settings = dict(config.test_dataloader.dataset)
    return settings | ({'root': videos.root} if videos.root else {})
