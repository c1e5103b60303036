"""How fast training samples are loaded, and where the time goes.

Writes a few clips of textured JPEG frames into a temporary folder, then draws samples from them as
GlobalTrack (images resized to --long-side), STARK and GuidedDetector are trained. Prints milliseconds of
processor time a sample by step, then samples a second with 0 (the training process itself), 1 and 2 worker
processes.
"""

import argparse
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner

import mmgtrack  # noqa: F401  (the operator stand-in must be in place before mmdet is imported)
from mmgtrack.cli.tables import print_table
from mmgtrack.cli.tools import run_tool
from mmgtrack.datasets import ClipDataset
from mmgtrack.packaged_configs import find_config
from mmgtrack.registry import DATASETS

CASES = {
    'GlobalTrack': ('_base_/datasets/coco_got10k_lasot.py', 'clip_dataloader'),
    'STARK-ST': ('_base_/datasets/stark_trident.py', 'train_dataloader'),
    'GuidedDetector': ('_base_/datasets/guided_got10k_480.py', 'train_dataloader'),
    'GuidedDetector, light': ('_base_/datasets/guided_demo_data.py', 'train_dataloader'),
}
WORKERS = (0, 1, 2)
NUM_CLIPS, NUM_FRAMES = 4, 24
BATCH_SIZE = 4


def main() -> None:
    """Parse the options, write the clips, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add('--size', default='1280x720', help='of the frames, WIDTHxHEIGHT (default: %(default)s)')
    add('--quality', type=int, default=90, help='of the JPEG files (default: %(default)s)')
    add('--long-side', type=int, default=640, help="of GlobalTrack's images (default: %(default)s)")
    add('--samples', type=int, default=120, help='samples of a measurement (default: %(default)s)')
    add('--rounds', type=int, default=5, help='measurements of each kind, in turns (default: %(default)s)')
    args = parser.parse_args()
    cv2.setNumThreads(0)  # as in the workers of a run
    torch.set_num_threads(1)
    width, height = map(int, args.size.split('x'))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        mean_bytes = write_clips(root, (height, width), args.quality)
        print(f'{width}x{height} JPEG, quality {args.quality}, {mean_bytes / 1000:.0f} kB a frame')
        configs = {case: data_config(case, root, args.long_side) for case in CASES}
        for case, config in configs.items():
            print_steps(case, config, root, args.samples)
        print_rates(configs, args.samples, args.rounds)


def write_clips(root: Path, size: tuple[int, int], quality: int) -> float:
    """Clips of a textured target on a textured ground, both moving; the mean size of a file in bytes."""
    rng = np.random.default_rng(0)
    total = 0
    for clip in range(NUM_CLIPS):
        (root / f'clip{clip}' / 'img').mkdir(parents=True)
        ground = texture(rng, (size[0] + 3 * NUM_FRAMES, size[1] + 3 * NUM_FRAMES))
        target = texture(rng, (size[0] // 5, size[1] // 8))
        rows = []
        for frame in range(NUM_FRAMES):
            image = ground[3 * frame :, 3 * frame :][: size[0], : size[1]].copy()
            x, y = size[1] // 4 + 5 * frame, size[0] // 3 + 2 * frame
            image[y : y + target.shape[0], x : x + target.shape[1]] = target
            code = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            (root / f'clip{clip}' / 'img' / f'{frame + 1:06d}.jpg').write_bytes(code.tobytes())
            rows.append(f'{x},{y},{target.shape[1]},{target.shape[0]}\n')
            total += len(code)
        (root / f'clip{clip}' / 'groundtruth.txt').write_text(''.join(rows))
    return total / (NUM_CLIPS * NUM_FRAMES)


def texture(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 noise of all scales, the amplitude growing with the scale as in natural images."""
    image = np.zeros((*size, 3), dtype=np.float32)
    for octave in range(9):
        cells = [max(2, side >> octave) for side in size]
        noise = rng.standard_normal((*cells, 3)).astype(np.float32) + 2 * rng.standard_normal((*cells, 1))
        image += 2 ** (0.75 * octave) * cv2.resize(noise.astype(np.float32), size[::-1])
    image = 120 + 50 * (image - image.mean()) / image.std()
    return np.clip(image, 0, 255).astype(np.uint8)


def data_config(case: str, root: Path, long_side: int) -> dict[str, Any]:
    """The case's data loader with the written clips as its source."""
    file, name = CASES[case]
    loader = Config.fromfile(find_config(file))[name].to_dict()
    loader['dataset']['sources'] = [dict(type='mmgtrack.SequenceFolder', root=str(root))]
    limit_size(loader['dataset']['pipelines'], long_side)
    return dict(loader, batch_size=BATCH_SIZE, persistent_workers=False)


def limit_size(part: Any, long_side: int) -> None:
    """Replace the scale of every resize in a nested config."""
    for inner in part.values() if isinstance(part, dict) else part:
        if isinstance(inner, dict) and inner.get('type') == 'mmdet.Resize':
            inner['scale'] = (long_side, long_side)
        elif isinstance(inner, (dict, list, tuple)):
            limit_size(inner, long_side)


class Timed:
    """A transform that adds up the time it takes."""

    def __init__(self, transform: Callable[[dict[str, Any]], Any], seconds: Counter[str]) -> None:
        self.transform = transform
        self.seconds = seconds

    def __call__(self, results: dict[str, Any]) -> Any:
        start = time.process_time()
        try:
            return self.transform(results)
        finally:
            self.seconds[type(self.transform).__name__] += time.process_time() - start


def print_steps(case: str, config: dict[str, Any], root: Path, samples: int) -> None:
    """Milliseconds of processor time a sample, by transform, and by what is around them."""
    dataset: ClipDataset = DATASETS.build(config['dataset'])
    for number in range(10):
        dataset[number]  # caches of files and memory
    seconds: Counter[str] = Counter()
    for pipeline in dataset.pipelines.values():
        pipeline.transforms = [Timed(transform, seconds) for transform in pipeline.transforms]
    start = time.process_time()
    for number in range(samples):
        dataset[number]
    whole = time.process_time() - start
    reading = len(dataset.roles) * reading_time(root)
    rows = {
        'read files': reading,
        'decode': seconds.pop('LoadFrame') / samples - reading,
        **{name: value / samples for name, value in seconds.items()},
    }
    rows['draw, seed, pack'] = whole / samples - sum(rows.values())
    print(f'\n{case}: {samples / whole:.1f} samples a second of processor time')
    print_table(
        ['step', 'ms', '%'],
        [[name, f'{1e3 * s:.2f}', f'{100 * s * samples / whole:.0f}'] for name, s in rows.items()],
    )


def reading_time(root: Path) -> float:
    """Seconds to read a file that the system holds in memory."""
    files = list(root.glob('*/img/*'))
    start = time.process_time()
    for file in files:
        file.read_bytes()
    return (time.process_time() - start) / len(files)


def print_rates(configs: dict[str, dict[str, Any]], samples: int, rounds: int) -> None:
    """Samples a second by number of workers, medians of rounds that take turns."""
    rates: dict[tuple[str, int], list[float]] = {(case, n): [] for case in configs for n in WORKERS}
    for _ in range(rounds):
        for case, workers in rates:
            rates[case, workers].append(rate(configs[case], workers, samples))
    medians = {key: statistics.median(values) for key, values in rates.items()}
    print(f'\nsamples a second in batches of {BATCH_SIZE}, medians of {rounds} rounds')
    print_table(
        ['samples of', 'workers', 'median', 'least', 'most', 'to one worker'],
        [
            [case, str(n), *(f'{f(values):.1f}' for f in (statistics.median, min, max)),
             f'{medians[case, n] / medians[case, 1]:.2f}']
            for (case, n), values in rates.items()
        ],
    )  # fmt: skip


def rate(config: dict[str, Any], workers: int, samples: int) -> float:
    """Samples a second from the first batch to the last."""
    batches = iter(Runner.build_dataloader(dict(config, num_workers=workers), seed=0))
    next(batches)
    start, count = time.perf_counter(), samples // BATCH_SIZE
    for _ in range(count):
        next(batches)
    return count * BATCH_SIZE / (time.perf_counter() - start)


if __name__ == '__main__':
    run_tool(main)
