"""The command that measures association: four cases at a small size, each denser than the last."""

import re
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis' / 'association_speed.py'
CASES = ('well separated', 'gated', 'all similar', 'near-identical')


def test_figures_of_small_scenes() -> None:
    command = [sys.executable, str(TOOL), '--candidates', '40', '--dims', '16', '--repeats', '3']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [line for line in done.stdout.splitlines() if '%' in line]
    assert [case for row in rows for case in CASES if case in row] == list(CASES)
    shares = [float(share) for row in rows for share in re.findall(r'([\d.]+) %', row)]
    assert shares == sorted(set(shares)) and shares[-1] == 100
    spread = re.compile(r'([\d.]+) \(([\d.]+) to ([\d.]+)\)')
    spreads = [tuple(map(float, found)) for row in rows for found in spread.findall(row)]
    assert len(spreads) == 8
    assert all(0 < low <= median <= high for median, low, high in spreads)
