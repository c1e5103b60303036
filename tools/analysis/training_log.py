"""How fast a run trained, and whether it waited for data: ``python tools/analysis/training_log.py LOG``."""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from mmgtrack.cli.tools import run_tool
from mmgtrack.errors import InputError


def read_steps(log: Path) -> list[dict[str, float]]:
    """Rows of training iterations in a scalars.json, or in the newest one of a work folder."""
    if log.is_dir():
        found = sorted(log.glob('*/vis_data/scalars.json'))
        if not found:
            raise InputError(f'no */vis_data/scalars.json in {log}: expected the work folder of a run')
        log = found[-1]
    try:
        rows = [json.loads(line) for line in log.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f'cannot read {log} as a log of a run: {error}') from error
    steps = [row for row in rows if {'time', 'data_time'} <= row.keys() and 'loss' in row]
    if not steps:
        raise InputError(f'{log} has no row of a training iteration')
    return steps


def summary(steps: Sequence[dict[str, float]], batch: int, skip: int) -> dict[str, Any]:
    """Medians over the rows behind the first ``skip``, while which a run warms up.

    ``pairs_per_second`` of ``batch`` samples a step; ``data_share`` of the time a step waits for its batch;
    ``memory_mb`` the largest peak of GPU memory, None for a run on processors.
    """
    kept = steps[skip:] or steps[-1:]
    memory = [row['memory'] for row in kept if row.get('memory')]
    return {
        'rows': len(kept),
        'seconds_per_step': median(row['time'] for row in kept),
        'pairs_per_second': batch / median(row['time'] for row in kept),
        'data_share': median(row['data_time'] / row['time'] for row in kept),
        'memory_mb': max(memory) if memory else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('log', metavar='LOG', type=Path, help='scalars.json, or the work folder of a run')
    parser.add_argument('--batch', metavar='N', type=int, default=1, help='samples a step of all processes')
    parser.add_argument('--skip', metavar='N', type=int, default=1, help='rows of warming up (default: 1)')
    parser.add_argument('--json', action='store_true', help='print as JSON')
    args = parser.parse_args()
    if args.batch < 1 or args.skip < 0:
        raise InputError(f'expected --batch >= 1 and --skip >= 0, got {args.batch} and {args.skip}')
    found = summary(read_steps(args.log), args.batch, args.skip)
    if args.json:
        print(json.dumps(found))
        return
    memory = 'no GPU' if found['memory_mb'] is None else f'{found["memory_mb"]:.0f} MB of GPU memory'
    print(
        f'{found["pairs_per_second"]:.1f} pairs/s, {found["seconds_per_step"]:.3f} s a step, '
        f'{found["data_share"]:.0%} of it waiting for data, {memory} (median of {found["rows"]} rows)'
    )


if __name__ == '__main__':
    run_tool(main)
