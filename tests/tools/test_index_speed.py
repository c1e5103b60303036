"""The command that measures the index: at a small size, with fewer looks at the tree in the later runs."""

import re
import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / 'tools' / 'analysis' / 'index_speed.py'


def test_figures_of_a_small_tree() -> None:
    command = [sys.executable, str(TOOL), '--sequences', '200', '--repeats', '1']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert [line.partition(':')[0] for line in lines] == ['without an index', 'with its index']
    assert all('200 sequences, 600 frames in' in line for line in lines)
    assert all(float(number) < 10 for line in lines for number in re.findall(r'opening ([\d.]+) s', line))
