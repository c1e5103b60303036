"""AR@k over a folder of sequences: how often one of the k best boxes of a frame is right.

    python tools/analysis/recall.py globaltrack_mobilenetv2_lite --sequences data/sequences/val

Measures the proposals of the first stage, where there are two, and the candidates that the tracker chooses
from. A box is right if its IoU exceeds 0.5; frames without the target and the first frame do not count; each
sequence weighs the same. A list shorter than k counts as it is. --json adds every sequence, and the values of
all frames pooled.
"""

import argparse
import json
from collections.abc import Sequence as Items
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from mmgtrack import Candidates, State, Tracker
from mmgtrack.apis import load_config
from mmgtrack.cli.tools import run_tool
from mmgtrack.datasets import Sequence, SequenceFolder
from mmgtrack.datasets.sequence import Reader, read_frame
from mmgtrack.errors import DataError, InputError
from mmgtrack.evaluation import hit_ranks, mean_recall, pooled_recall, recall_at
from mmgtrack.evaluation.recall import PAPER_KS
from mmgtrack.files import replacing
from mmgtrack.progress import TrackProgress
from mmgtrack.registry import DATASETS


@dataclass
class StageRecall:
    """Ranks (F - 1,) of every target by name, and how many boxes the frames have that count."""

    ranks: dict[str, np.ndarray] = field(default_factory=dict)
    counts: list[np.ndarray] = field(default_factory=list)

    @property
    def boxes_per_frame(self) -> float:
        """Mean length of the lists."""
        return float(np.concatenate(self.counts).mean()) if self.counts else float('nan')


def measure(tracker: Tracker, data: Reader, progress: TrackProgress) -> dict[str, StageRecall]:
    """Ranks of every target that a first frame shows, by stage. A few frames are held at a time."""
    stages = ['proposals'] if hasattr(tracker.model, 'proposals') else []
    recalls = {stage: StageRecall() for stage in [*stages, 'candidates']}
    for index in range(len(data)):
        sequence = data[index]
        targets = np.flatnonzero(sequence.present[0])
        if len(targets) == 0 or len(sequence) == 1:
            continue
        state = tracker.encode(read_frame(sequence.frame_paths[0]), sequence.boxes[0, targets])
        names = [f'{sequence.name}#{t + 1}' if sequence.num_targets > 1 else sequence.name for t in targets]
        parts: dict[str, list[np.ndarray]] = {stage: [] for stage in recalls}
        for start in range(1, len(sequence), tracker.batch_frames):
            shown = range(start, min(start + tracker.batch_frames, len(sequence)))
            for stage, found in _found(tracker, list(recalls), sequence, shown, state).items():
                truth, present = sequence.boxes[shown][:, targets], sequence.present[shown][:, targets]
                valid = found.valid.numpy()
                parts[stage].append(hit_ranks(found.boxes.numpy(), valid, truth, present))
                recalls[stage].counts.append(valid.sum(-1)[present])
            for _ in shown:
                progress.advance()
        for stage, ranks in parts.items():
            recalls[stage].ranks.update(zip(names, np.concatenate(ranks).T, strict=True))
    if not recalls['candidates'].ranks:
        raise DataError('AR@k needs a sequence of two frames or more whose first shows a target, got none')
    return recalls


def _found(
    tracker: Tracker, stages: Items[str], sequence: Sequence, shown: range, state: State
) -> dict[str, Candidates]:
    images = [read_frame(sequence.frame_paths[i]) for i in shown]
    return {stage: getattr(tracker, stage)(images, state).to('cpu') for stage in stages}


def allow_proposals(tracker: Tracker, count: int) -> None:
    """Let a two-stage tracker propose ``count`` boxes a frame, and keep as many of the second stage."""
    if count < 1:
        raise InputError(f'--proposals must be at least 1, got {count}')
    model = _two_stages(tracker, '--proposals')
    rpn = model.test_cfg.rpn
    rpn.update(nms_pre=max(rpn.nms_pre, count), max_per_img=count)
    model.roi_head.test_cfg.max_per_img = count
    model.batch_frames = 1  # memory grows with proposals times frames


def keep_duplicates(tracker: Tracker) -> None:
    """Let the second stage keep every box that it refined: no two overlap by more than 1."""
    _two_stages(tracker, '--keep-duplicates').roi_head.test_cfg.nms.iou_threshold = 1.0


def _two_stages(tracker: Tracker, option: str) -> Any:
    model = tracker.model
    if not hasattr(model, 'proposals'):
        raise InputError(f'{option}: the tracker {model.name} ({type(model).__name__}) has no proposals')
    return model


def open_sequences(args: argparse.Namespace) -> Reader:
    """The folder that --sequences names, else the config's test data."""
    if args.sequences is not None:
        return SequenceFolder(args.sequences, exclude=args.exclude)
    name, config = load_config(args.config)
    if 'test_dataloader' not in config:
        raise InputError(f'the config {name} names no test data: give --sequences')
    return DATASETS.build(config.test_dataloader.dataset)


def report(recalls: dict[str, StageRecall], ks: list[int]) -> dict[str, Any]:
    """All numbers as shares by k, for JSON; null where no frame counts."""

    def shares(values: np.ndarray) -> dict[str, float | None]:
        numbers = (None if np.isnan(value) else float(value) for value in values)
        return dict(zip(map(str, ks), numbers, strict=True))

    return {
        stage: dict(
            boxes_per_frame=recall.boxes_per_frame,
            counted_frames=sum(int((~np.isnan(ranks)).sum()) for ranks in recall.ranks.values()),
            mean=shares(mean_recall(list(recall.ranks.values()), ks)),
            pooled=shares(pooled_recall(list(recall.ranks.values()), ks)),
            sequences={name: shares(recall_at(ranks, ks)) for name, ranks in recall.ranks.items()},
        )
        for stage, recall in recalls.items()
    }


def print_table(recalls: dict[str, StageRecall], ks: list[int]) -> None:
    """AR@k in percent, a row a stage."""
    table = Table('AR@k, %', 'boxes', *map(str, ks), title='mean of sequences')
    for stage, recall in recalls.items():
        values = 100 * mean_recall(list(recall.ranks.values()), ks)
        table.add_row(stage, f'{recall.boxes_per_frame:.1f}', *(f'{value:.1f}' for value in values))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='model name or config file')
    parser.add_argument('checkpoint', nargs='?', help='weights; default those shipped for the name')
    parser.add_argument(
        '--sequences', metavar='ROOT', help="folder of sequences; default the config's test data"
    )
    parser.add_argument(
        '--exclude', metavar='NAME', nargs='+', default=[], help='folders in ROOT to leave out'
    )
    parser.add_argument('--k', type=int, nargs='+', default=list(PAPER_KS), help='default: %(default)s')
    parser.add_argument(
        '--proposals',
        type=int,
        metavar='N',
        help='allow N boxes a frame in both stages instead of the config',
    )
    parser.add_argument(
        '--keep-duplicates', action='store_true', help='do not suppress overlapping boxes of the second stage'
    )
    parser.add_argument('--json', metavar='FILE', help='write all numbers')
    parser.add_argument('--device', default='cpu', help='torch device (default: %(default)s)')
    args = parser.parse_args()
    if min(args.k) < 1:
        raise InputError(f'--k must be at least 1, got {min(args.k)}')
    data = open_sequences(args)
    tracker = Tracker(args.config, args.checkpoint, args.device)
    if args.proposals is not None:
        allow_proposals(tracker, args.proposals)
    if args.keep_duplicates:
        keep_duplicates(tracker)
    total = sum(len(data[i]) - 1 for i in range(len(data)) if data[i].present[0].any())
    with ExitStack() as stack:
        # opened before the work: a path that cannot be written should not cost an hour
        file = stack.enter_context(replacing(args.json)) if args.json is not None else None
        with TrackProgress(total) as progress:
            recalls = measure(tracker, data, progress)
        print_table(recalls, args.k)
        if file is not None:
            file.write(json.dumps(report(recalls, args.k), indent=2).encode())


if __name__ == '__main__':
    run_tool(main)
