"""How long it takes to open a data set of GOT-10k's size, with its index and without.

Writes 10,000 synthetic sequences of 3 frames in GOT-10k's layout into a temporary folder. Processes of their
own open it, ask for the length of every sequence, and read the last one. Prints the seconds of the whole
process, those that opening took of them, and the peak memory.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

NUM_SEQUENCES, NUM_FRAMES = 10_000, 3

OPEN = """
import resource, sys, time
from mmgtrack.datasets import GOT10k
imported, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
reader = GOT10k(sys.argv[1])
frames = sum(reader.num_frames(index) for index in range(len(reader)))
last = len(reader[-1])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(time.perf_counter() - began, imported / 1024, peak / 1024, len(reader), frames, last)
"""


def main() -> None:
    """Parse the options, write the tree, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--sequences', type=int, default=NUM_SEQUENCES, help='how many (default: %(default)s)')
    add('--frames', type=int, default=NUM_FRAMES, help='of each (default: %(default)s)')
    add('--repeats', type=int, default=3, help='runs with the index (default: %(default)s)')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_tree(root / 'got10k', args.sequences, args.frames)
        for run in range(1 + args.repeats):
            print(measure(root, 'with its index' if run else 'without an index'))


def write_tree(root: Path, sequences: int, frames: int) -> None:
    """GOT-10k's training set, long ago; images are empty files, as opening reads none."""
    names = [f'GOT-10k_Train_{number:06d}' for number in range(1, sequences + 1)]
    texts = {
        'groundtruth.txt': '10.0000,20.0000,30.0000,40.0000\n' * frames,
        'absence.label': '0\n' * frames,
        'cover.label': '8\n' * frames,
        'cut_by_image.label': '0\n' * frames,
        'meta_info.ini': '[METAINFO]\nresolution: (1920, 1080)\n',
        **{f'{number:08d}.jpg': '' for number in range(1, frames + 1)},
    }
    for name in names:
        folder = root / 'train' / name
        folder.mkdir(parents=True)
        for file, text in texts.items():
            (folder / file).write_text(text)
            os.utime(folder / file, (1_600_000_000, 1_600_000_000))
        os.utime(folder, (1_600_000_000, 1_600_000_000))
    (root / 'train' / 'list.txt').write_text('\n'.join(names) + '\n')


def measure(root: Path, what: str) -> str:
    """A line about one process that opens the tree."""
    environment = {**os.environ, 'MMGTRACK_CACHE': str(root / 'cache'), 'OMP_WAIT_POLICY': 'PASSIVE'}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, '-c', OPEN, str(root / 'got10k')],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    seconds = time.perf_counter() - began
    opening, imported, peak, sequences, frames, _ = map(float, done.stdout.split())
    return (
        f'{what}: {sequences:.0f} sequences, {frames:.0f} frames in {seconds:.2f} s, of which opening '
        f'{opening:.2f} s; peak memory {peak:.0f} MB, of which imports {imported:.0f} MB'
    )


if __name__ == '__main__':
    main()
