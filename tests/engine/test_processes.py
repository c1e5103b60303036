"""What several processes agree on; real ones."""

import subprocess
import sys
from pathlib import Path

PROCESS = """
import sys
from datetime import timedelta

import torch

from mmgtrack.engine.processes import from_first

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group(
    'gloo', f'file://{folder}/meet', rank=rank, world_size=2, timeout=timedelta(seconds=60)
)

def make(failure=None):
    assert rank == 0
    if failure:
        raise failure
    return ['made', rank]

print(from_first(make), flush=True)
from_first(lambda: make(PermissionError(13, 'Permission denied')))
"""


def test_what_the_first_makes_or_fails_at_reaches_all(tmp_path: Path) -> None:
    """The first says its error, whatever it is, and the other ends."""
    started = [
        subprocess.Popen(
            [sys.executable, '-c', PROCESS, str(rank), str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        first, second = (process.communicate(timeout=300)[0] for process in started)
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [1, 2]
    assert first.startswith("['made', 0]\n") and 'PermissionError: [Errno 13]' in first
    assert "['made', 0]" in second and 'Error' not in second
