"""Resident memory of tracking a looped video: ``python tools/analysis/memory.py VIDEO --box X,Y,W,H``.

Prints the peak, and the growth between two frame numbers. Reads /proc, so Linux only.
"""

import argparse
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmgtrack import Tracker
from mmgtrack.apis import FrameReader, open_source
from mmgtrack.cli.boxes import parse_box


def looped(video: str, start_frame: int, count: int) -> Iterator[np.ndarray]:
    """``count`` frames of a video that starts again at its end."""
    left = count
    while left > 0:
        with FrameReader(open_source(video), start_frame) as reader:
            for frame in reader:
                yield frame.image
                left -= 1
                if left == 0:
                    return


def resident_mb() -> float:
    """Resident set of this process in 10^6 bytes."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('video')
    parser.add_argument('--box', required=True, help='X,Y,W,H in the start frame')
    parser.add_argument('--start-frame', type=int, default=0)
    parser.add_argument('--frames', type=int, nargs=2, default=(300, 3000), metavar=('FROM', 'TO'))
    parser.add_argument('--model', default=None)
    args = parser.parse_args()
    tracker = Tracker(args.model) if args.model else Tracker()
    first, last = args.frames
    seen = {}
    frames = looped(args.video, args.start_frame, last + 1)
    for frame, _ in tracker.stream(frames, [parse_box(args.box)]):
        if frame.index in (first, last):
            seen[frame.index] = resident_mb()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(f'frame {first}: {seen[first]:.0f} MB, frame {last}: {seen[last]:.0f} MB, ', end='')
    print(f'growth {seen[last] - seen[first]:+.1f} MB, peak {peak:.0f} MB')


if __name__ == '__main__':
    main()
