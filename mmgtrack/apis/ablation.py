"""Test variants of a tracker, a row of a table each, on the same videos."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.runner import find_latest_checkpoint

from mmgtrack.apis.models import load_config
from mmgtrack.apis.testing import TestOptions, run_test
from mmgtrack.datasets.catalogue import find_data_set, reader_config
from mmgtrack.datasets.data_root import default_data_folder
from mmgtrack.engine.result_folder import ResultFolder
from mmgtrack.errors import DataError, InputError, MMGTrackError
from mmgtrack.evaluation.ablation import Variant, sequence_scores
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

    out: folder of results, one a row; work_dirs: of trainings; chosen_by: in place of the rows' own.
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
    return Row(**settings, chosen_by=Videos(**chosen_by) if chosen_by else None)


def run_row(row: Row, study: Study) -> Variant:
    """Test a row; what has been tracked before is not tracked again, see ``run_test``.

    A row without weights, or that fails, has no numbers, and a line that says why. Raises InputError where
    there is a grid and nothing to choose by.
    """
    row = replace(row, chosen_by=study.chosen_by or row.chosen_by)
    if row.grid and row.chosen_by is None:
        raise InputError(
            f'{row.name!r} tries several values: say on which videos they are to be chosen, by its chosen_by'
        )
    try:
        weights = find_row_weights(row, study.work_dirs)
        if weights is None:
            return Variant(row.name, problem=f'no checkpoint in {_place(row, study.work_dirs)}')
        settings: dict[str, Any] = dict(config=row.config, checkpoint=str(weights), options=dict(row.options))
        if row.grid:
            chosen, tried = _choose(row, weights, study)
            settings |= dict(chosen=chosen, tried=tried)
            row = replace(row, options={**row.options, **chosen})
        found = _test(row, weights, study, study.videos, study.out / row.folder)
    except MMGTrackError as error:
        return Variant(row.name, problem=' '.join(str(error).split()))
    return replace(found, settings=settings | dict(found.settings))


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
    """The values of the grid with the largest mean AUC on ``chosen_by``, and what all of them gave."""
    assert row.chosen_by is not None
    tried: list[dict[str, Any]] = []
    for number, values in enumerate(product(*row.grid.values()), start=1):
        options = dict(zip(row.grid, values, strict=True))
        changed = replace(row, options={**row.options, **options})
        out = study.out / row.folder / 'choice' / str(number)
        found = _test(changed, weights, study, row.chosen_by, out)
        scores = [sequence['auc'] for sequence in found.sequences.values()]
        counted = [score for score in scores if np.isfinite(score)]
        if not counted:
            raise DataError(f'no video to choose values of {", ".join(row.grid)} by could be tracked')
        tried.append(dict(options=options, auc=float(np.mean(counted))))
    return max(tried, key=lambda each: each['auc'])['options'], tried


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
    reader, results = _reader(row, videos), ResultFolder(report.folder)
    sequences: dict[str, dict[str, float]] = {}
    for index, name in enumerate(reader.names):
        if name not in without and (videos.sequences is None or name in videos.sequences):
            video = reader[index]
            sequences |= sequence_scores(video, vars(results.read(video)))
    problem = f'broken: {", ".join(sorted(without))}' if without else ''
    return Variant(row.name, sequences, problem, dict(benchmark=dict(report.headline)))


def _reader(row: Row, videos: Videos) -> Any:
    """What ``run_test`` reads."""
    if videos.data is not None:
        root = videos.root or default_data_folder() / find_data_set(videos.data).folder
        return DATASETS.build(reader_config(videos.data, root))
    config = load_config(row.config)[1]
    config.merge_from_dict(dict(row.options))
    settings = dict(config.test_dataloader.dataset)
    return DATASETS.build(settings | ({'root': videos.root} if videos.root else {}))
