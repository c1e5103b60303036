"""How long ``mmgtrack evaluate`` takes on a benchmark of LaSOT's size, files read included.

Writes 280 synthetic sequences with 685,360 frames in all into a temporary folder, in the layout of LaSOT's
toolkit, then runs the command in processes of its own and prints wall-clock time and peak memory.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

NUM_SEQUENCES, NUM_FRAMES = 280, 685_360  # LaSOT's test set
ABSENT_SHARE = 0.027


def main() -> None:
    """Parse the options, write the files, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--protocol', default='lasot', help='which rule of LaSOT (default: %(default)s)')
    parser.add_argument('--repeats', type=int, default=5, help='runs to measure (default: %(default)s)')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_benchmark(Path(folder))
        seconds = [measure(Path(folder), args.protocol) for _ in range(args.repeats)]
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f'{args.protocol}, {NUM_SEQUENCES} sequences, {NUM_FRAMES} frames: median '
        f'{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f} s in {args.repeats} '
        f'runs), peak memory {peak:.0f} MB'
    )


def write_benchmark(root: Path) -> None:
    """Annotations, flags and results of random walks; the truth in integers."""
    rng = np.random.default_rng(0)
    lengths = np.full(NUM_SEQUENCES, NUM_FRAMES // NUM_SEQUENCES)
    lengths[: NUM_FRAMES - lengths.sum()] += 1
    for folder in ('annos/absent', 'results/tracker'):
        (root / folder).mkdir(parents=True)
    for index, length in enumerate(lengths):
        name = f'object-{index + 1}.txt'
        corners = np.cumsum(rng.normal(0, 3, (length, 2)), axis=0) + 500
        boxes = np.concatenate([corners, rng.uniform(40, 90, (length, 2))], axis=1)
        result = boxes + rng.normal(0, 5, boxes.shape)
        np.savetxt(root / 'annos' / name, boxes, fmt='%d', delimiter=',')
        np.savetxt(root / 'annos' / 'absent' / name, rng.random(length) < ABSENT_SHARE, fmt='%d')
        np.savetxt(root / 'results' / 'tracker' / name, result, fmt='%.3f', delimiter=',')


def measure(root: Path, protocol: str) -> float:
    """Seconds of one run of the command, start of the interpreter included."""
    command = [sys.executable, '-m', 'mmgtrack', 'evaluate', '--protocol', protocol, '--sequences', 'all']
    began = time.perf_counter()
    subprocess.run(
        [*command, '--results', str(root / 'results' / 'tracker'), '--annotations', str(root / 'annos')],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, 'OMP_WAIT_POLICY': 'PASSIVE'},
    )
    return time.perf_counter() - began


if __name__ == '__main__':
    main()
