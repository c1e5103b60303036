"""tools/analysis/training_log.py on logs as mmengine writes them."""

import json
import runpy
from pathlib import Path

import pytest

from mmgtrack.errors import InputError

TOOL = runpy.run_path(str(Path(__file__).parents[1] / 'tools/analysis/training_log.py'))


def write_log(work_dir: Path, memory: bool = True) -> Path:
    rows: list[dict[str, float]] = [
        {'loss': 2.0, 'time': 9.0, 'data_time': 8.0, 'step': 1},
        {'loss': 1.9, 'time': 0.5, 'data_time': 0.05, 'step': 2},
        {'loss': 1.8, 'time': 0.4, 'data_time': 0.10, 'step': 3},
        {'loss': 1.7, 'time': 0.6, 'data_time': 0.06, 'step': 4},
        {'success/auc': 0.5, 'time': 3.0, 'data_time': 2.0, 'step': 4},
    ]
    for row, peak in zip(rows, (100, 900, 950, 940), strict=False):
        row |= {'memory': peak} if memory else {}
    file = work_dir / '20260101_000000/vis_data/scalars.json'
    file.parent.mkdir(parents=True)
    file.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    return file


@pytest.mark.parametrize('memory, peak', [(True, 950), (False, None)])
def test_medians_after_the_warm_up(tmp_path: Path, memory: bool, peak: float | None) -> None:
    file = write_log(tmp_path, memory)
    for log in (file, tmp_path):
        assert TOOL['summary'](TOOL['read_steps'](log), batch=8, skip=1) == pytest.approx(
            {
                'rows': 3,
                'seconds_per_step': 0.5,
                'pairs_per_second': 16.0,
                'data_share': 0.1,
                'memory_mb': peak,
            }
        )


@pytest.mark.parametrize(
    'content, message',
    [(None, 'expected the work folder'), ('{"step": 1}\n', 'no row'), ('x', 'cannot read')],
)
def test_what_is_no_log_is_said(tmp_path: Path, content: str | None, message: str) -> None:
    log = tmp_path
    if content is not None:
        log = tmp_path / 'scalars.json'
        log.write_text(content)
    with pytest.raises(InputError, match=message):
        TOOL['read_steps'](log)
