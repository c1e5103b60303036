"""Rank-1 and mAP of a tracker's embeddings on objects that it was not trained on, beside ImageNet features.

    python tools/analysis/re_id.py dmtrack_mobilenetv2_lite epoch_10.pth --sequences data/sequences/val \\
        --exclude composites --imagenet data/weights/mobilenetv2_1.0_imagenet_features_fp16.npz

Every target of the sequences is an object, shown in a few frames spread evenly over those in which it is
visible. Each box in turn is searched among those of all other frames by the cosine of its embedding. The
tracker sees whole frames and boxes; the ImageNet features are MobileNetV2's last map, averaged over crops of
the same boxes, 160x160 pixels. Without a model, only those are measured.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from mmgtrack import Tracker
from mmgtrack.checkpoint import load_checkpoint_file
from mmgtrack.cli.tools import run_tool
from mmgtrack.datasets import SequenceFolder
from mmgtrack.datasets.sequence import Reader, Sequence, read_frame
from mmgtrack.errors import CheckpointError, DataError, InputError
from mmgtrack.evaluation import Retrieval, retrieve
from mmgtrack.files import replacing
from mmgtrack.geometry import resize_image
from mmgtrack.models import TruncatedMobileNetV2
from mmgtrack.models.data_preprocessor import ClipDataPreprocessor
from mmgtrack.progress import TrackProgress

CROP_SIDE = 160  # of the test that comes with the demo data's ImageNet weights, as the frames a target: 4
NUM_FRAMES = 4

Embed = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Embeddings (n, D) of boxes (n, 4) xyxy pixels in a frame (H, W, 3) uint8 BGR."""


@dataclass(frozen=True, eq=False)
class ShownBoxes:
    """The targets of one frame: file, boxes (n, 4), and (n,) number of each object."""

    path: str
    boxes: np.ndarray
    objects: np.ndarray


def shown_boxes(data: Reader, count: int) -> tuple[list[ShownBoxes], list[str]]:
    """The frames of all sequences in which some target is to be looked at, and the names of all targets."""
    shown: list[ShownBoxes] = []
    names: list[str] = []
    for sequence in (data[index] for index in range(len(data))):
        chosen = _spread(sequence, count)
        for frame in np.flatnonzero(chosen.any(1)):
            targets = np.flatnonzero(chosen[frame])
            boxes = sequence.boxes[frame, targets]
            shown.append(ShownBoxes(sequence.frame_paths[frame], boxes, len(names) + targets))
        names += _names(sequence)
    return shown, names


def _spread(sequence: Sequence, count: int) -> np.ndarray:
    """(F, M) bool: at most ``count`` frames of each target, evenly over those that show it."""
    chosen = np.zeros_like(sequence.present)
    for target, present in enumerate(sequence.present.T):
        seen = np.flatnonzero(present)
        if len(seen):
            chosen[seen[np.linspace(0, len(seen) - 1, count).round().astype(int)], target] = True
    return chosen


def _names(sequence: Sequence) -> list[str]:
    count = sequence.num_targets
    return [f'{sequence.name}#{target + 1}' if count > 1 else sequence.name for target in range(count)]


def of_tracker(tracker: Tracker) -> Embed:
    """What a tracker compares its targets by."""

    def embed(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        templates = getattr(tracker.encode(image, boxes), 'templates', None)
        if templates is None or templates.shape[1] == 0:
            raise InputError(f'the tracker {tracker.model.name} has no re-id head: nothing to measure')
        found: np.ndarray = templates.cpu().numpy()
        return found

    return embed


def of_imagenet(weights: str) -> Embed:
    """MobileNetV2's last map, averaged over crops of the boxes. Raises CheckpointError for other weights."""
    network = TruncatedMobileNetV2(out_indices=(7,))
    state = load_checkpoint_file(weights)['state_dict']
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(
            f'{weights} does not hold the features of a MobileNetV2 with 1280 channels'
        ) from error
    network.eval()
    preprocessor = ClipDataPreprocessor()  # ImageNet's mean and deviation

    def embed(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        crops = [resize_image(_crop(image, box), (CROP_SIDE, CROP_SIDE)) for box in boxes]
        batch = preprocessor.batch([torch.from_numpy(crop).permute(2, 0, 1) for crop in crops])
        with torch.no_grad():
            (last,) = network(batch)
        found: np.ndarray = last.mean((2, 3)).numpy()
        return found

    return embed


def _crop(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The pixels of a box, at least one."""
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box.round().astype(int)
    x1, y1 = min(max(x1, 0), width - 1), min(max(y1, 0), height - 1)
    return image[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]


def measure(shown: list[ShownBoxes], embed: Embed, progress: TrackProgress) -> Retrieval:
    """Each box searched among those of all other frames."""

    def embeddings() -> Iterator[np.ndarray]:
        for each in shown:
            yield embed(read_frame(each.path), each.boxes)
            progress.advance()

    frames = np.repeat(np.arange(len(shown)), [len(each.boxes) for each in shown])
    return retrieve(np.concatenate([*embeddings()]), _objects(shown), frames)


def _objects(shown: list[ShownBoxes]) -> np.ndarray:
    return np.concatenate([each.objects for each in shown])


def report(found: dict[str, Retrieval], objects: np.ndarray, names: list[str]) -> dict[str, Any]:
    """All numbers as shares, for JSON; null where no query counts."""

    def shares(part: Retrieval) -> dict[str, float | None]:
        values = {'rank_1': part.rank_1, 'mean_ap': part.mean_ap}
        return {name: None if np.isnan(value) else value for name, value in values.items()}

    return {
        what: dict(
            queries=int((~np.isnan(part.ranks)).sum()),
            **shares(part),
            objects={name: shares(part[objects == number]) for number, name in enumerate(names)},
        )
        for what, part in found.items()
    }


def print_table(found: dict[str, Retrieval], num_objects: int) -> None:
    """Rank-1 and mAP in percent, a row for each kind of embeddings."""
    table = Table('embeddings', 'Rank-1, %', 'mAP, %', 'queries', title=f'{num_objects} objects')
    for what, part in found.items():
        queries = int((~np.isnan(part.ranks)).sum())
        table.add_row(what, f'{100 * part.rank_1:.1f}', f'{100 * part.mean_ap:.1f}', str(queries))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', nargs='?', help='model name or config file of a tracker with a re-id head')
    parser.add_argument('checkpoint', nargs='?', help='weights; default those shipped for the name')
    parser.add_argument('--imagenet', metavar='FILE', help='weights of MobileNetV2 to compare with')
    parser.add_argument('--sequences', metavar='ROOT', required=True, help='folder of sequences')
    parser.add_argument(
        '--exclude', metavar='NAME', nargs='+', default=[], help='folders in ROOT to leave out'
    )
    parser.add_argument(
        '--frames', type=int, default=NUM_FRAMES, metavar='N', help='of each target (default: %(default)s)'
    )
    parser.add_argument('--json', metavar='FILE', help='write all numbers, of each target too')
    parser.add_argument('--device', default='cpu', help='torch device of the tracker (default: %(default)s)')
    args = parser.parse_args()
    if args.frames < 2:
        raise InputError(f'--frames must be at least 2, a query and what it is to find, got {args.frames}')
    methods: dict[str, Embed] = {}
    if args.config is not None:
        methods[args.config] = of_tracker(Tracker(args.config, args.checkpoint, args.device))
    if args.imagenet is not None:
        methods['ImageNet, pooled crops'] = of_imagenet(args.imagenet)
    if not methods:
        raise InputError('nothing to measure: give a model, --imagenet FILE, or both')
    shown, names = shown_boxes(SequenceFolder(args.sequences, exclude=args.exclude), args.frames)
    if not shown:
        raise DataError(f'{args.sequences}: no frame shows a target')
    with ExitStack() as stack:
        # opened before the work: a path that cannot be written should not cost it
        file = stack.enter_context(replacing(args.json)) if args.json is not None else None
        with TrackProgress(len(shown) * len(methods)) as progress:
            found = {what: measure(shown, embed, progress) for what, embed in methods.items()}
        print_table(found, len(names))
        if file is not None:
            file.write(json.dumps(report(found, _objects(shown), names), indent=2).encode())


if __name__ == '__main__':
    run_tool(main)
