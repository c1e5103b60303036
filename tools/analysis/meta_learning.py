"""Does a head that learned to learn beat one that was trained plainly, after the same few steps?

    python tools/analysis/meta_learning.py configs/guided_mobilenetv2_lite.py my.pth --plot few_shot.png

Trunk and guidance of the checkpoint are frozen. Two heads start from the same numbers and train equally long
on the same episodes of the training data: one through the inner loop (MAML), one without it.
On episodes of the validation sequences each then takes N steps on the support image, at every rate of one
grid; measured is the loss on the query image. Each head's rate is chosen on other episodes of the training
data. The checkpoint's own head stands beside them. docs/few_shot.md says what the numbers mean.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from torch import Tensor

from mmgtrack.apis.few_shot import (
    Episodes,
    fresh_head,
    query_losses,
    read_episodes,
    train_head,
    with_options,
)
from mmgtrack.apis.models import build_tracker, load_config
from mmgtrack.cli.config_values import ConfigValues
from mmgtrack.cli.tables import print_table
from mmgtrack.cli.tools import run_tool
from mmgtrack.countdown import Countdown
from mmgtrack.datasets import ClipDataset
from mmgtrack.errors import InputError
from mmgtrack.evaluation.few_shot import Bounded, HeadLosses, bounded_mean, lower_by
from mmgtrack.files import check_target
from mmgtrack.formats.json_file import write_json
from mmgtrack.models.guided_detector import GuidedDetector, MetaLearner
from mmgtrack.registry import DATASETS
from mmgtrack.visualization.bands import plot_bands
from mmgtrack.visualization.figures import check_suffix

RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # ours: the paper's .05, and what lies around it


@dataclass(frozen=True, eq=False)
class Data:
    """Episodes to train both heads on, to choose their rates by, and those that are reported."""

    training: Episodes
    tuning: Episodes
    held_back: Episodes


def read_data(model: GuidedDetector, config: Config, args: argparse.Namespace) -> Data:
    """Training and tuning episodes of the config's training data; held-back ones of its val sequences."""
    settings = config.train_dataloader.dataset
    seen: ClipDataset = DATASETS.build(settings)
    held_back: ClipDataset = DATASETS.build({**settings, 'sources': [config.val_dataloader.dataset]})
    last = args.episodes + args.tuning
    return Data(
        read_episodes(model, seen, range(args.episodes), report=Countdown('training episodes')),
        read_episodes(model, seen, range(args.episodes, last), report=Countdown('tuning episodes')),
        read_episodes(model, held_back, range(args.held_back), report=Countdown('held-back episodes')),
    )


def heads_of(model: GuidedDetector, data: Data, args: argparse.Namespace) -> dict[str, HeadLosses]:
    """The losses of the two heads, which differ by their inner steps in training, and of the checkpoint's."""
    start = fresh_head(model, seed=args.seed)
    found = {}
    for name, inner_steps in (('meta', args.inner_steps), ('plain', 0)):
        learner = with_options(model.learner, inner_steps=inner_steps, inner_lr=args.inner_lr)
        report = Countdown(f'steps of the {name} head')
        options = dict(num_steps=args.steps, batch_size=args.batch_size, lr=args.lr, seed=args.seed)
        theta = train_head(learner, start, data.training, **options, report=report)
        found[name] = measured(learner, theta, data, args)
    found['checkpoint'] = measured(model.learner, model.theta().detach(), data, args)
    return found


def measured(learner: MetaLearner, theta: Tensor, data: Data, args: argparse.Namespace) -> HeadLosses:
    """A head's losses after the same steps at every rate."""
    at_rates = [with_options(learner, inner_lr=rate) for rate in args.rates]
    tuning, held_back = (
        np.stack([query_losses(each, theta, part, args.inner_steps) for each in at_rates])
        for part in (data.tuning, data.held_back)
    )
    return HeadLosses(args.rates, tuning, held_back, query_losses(learner, theta, data.held_back, 0))


def report(heads: dict[str, HeadLosses], clips: list[str], args: argparse.Namespace) -> dict[str, Any]:
    """All numbers, for JSON: means with their bounds of 95 %, the losses of every episode."""
    settings = ('steps', 'episodes', 'tuning', 'inner_steps', 'inner_lr', 'batch_size', 'lr', 'seed')
    return dict(
        settings={name: getattr(args, name) for name in settings},
        rates=list(args.rates),
        clips=list(clips),
        heads={
            name: dict(
                before=bounded_mean(own.before),
                means=own.means(),
                chosen_rate=own.rates[own.chosen],
                at_chosen=bounded_mean(own.losses),
                losses=own.losses.tolist(),
            )
            for name, own in heads.items()
        },
        meta_lower_by=lower_by(heads['meta'], heads['plain']),
        meta_lower_by_clips=lower_by(heads['meta'], heads['plain'], clips),
    )


def print_report(heads: dict[str, HeadLosses], clips: list[str]) -> None:
    """A row for each rate, a column for each head; then the difference at the rates that were chosen."""
    meta, plain = heads['meta'], heads['plain']
    rows = [['no step', *(in_words(bounded_mean(own.before)) for own in heads.values())]]
    for index, rate in enumerate(meta.rates):
        marks = ['*' if own.chosen == index else '' for own in heads.values()]
        cells = [in_words(own.means()[index]) for own in heads.values()]
        rows.append([f'{rate:g}', *(cell + mark for cell, mark in zip(cells, marks, strict=True))])
    print(f'loss of {len(clips)} held-back queries, mean and its bounds of 95 %; *: the rate that was chosen')
    print_table(['inner rate', *heads], rows)
    print(f'meta is lower by {in_words(lower_by(meta, plain))}, episode by episode;')
    print(f'drawing the {len(set(clips))} clips instead: {in_words(lower_by(meta, plain, clips))}')


def in_words(value: Bounded) -> str:
    mean, low, high = value
    return f'{mean:.4f} [{low:.4f}, {high:.4f}]'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='model name or config file of a GuidedDetector')
    parser.add_argument('checkpoint', nargs='?', help='weights; default those shipped for the name')
    counts = {
        'steps': (1000, 'of training, for either head'),
        'episodes': (2000, 'to train on'),
        'tuning': (100, 'more of the training data, to choose the rates by'),
        'held-back': (200, 'of the validation sequences, to report'),
        'batch-size': (16, 'episodes a step of training'),
    }
    for name, (default, what) in counts.items():
        parser.add_argument(
            f'--{name}', type=int, default=default, metavar='N', help=f'{what} (default: %(default)s)'
        )
    parser.add_argument(
        '--inner-steps', type=int, metavar='N', help="on the support image (default: the learner's)"
    )
    parser.add_argument(
        '--inner-lr', type=float, metavar='RATE', help="in the meta head's training (default: the learner's)"
    )
    parser.add_argument(
        '--rates', type=float, nargs='+', default=RATES, metavar='RATE', help='(default: %(default)s)'
    )
    parser.add_argument('--lr', type=float, default=1e-3, help='of Adam, both heads (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of start and batches (default: %(default)s)')
    parser.add_argument(
        '--cfg-options', metavar='KEY=VALUE', nargs='+', action=ConfigValues, help='values of the config'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all numbers')
    parser.add_argument(
        '--plot', type=Path, metavar='FILE', help='draw losses over rates: .png, .svg or .pdf'
    )
    parser.add_argument('--device', default='cpu', help='torch device (default: %(default)s)')
    return parser.parse_args()


def check(args: argparse.Namespace) -> None:
    """Raises InputError or OutputError before the work."""
    for name in ('steps', 'episodes', 'tuning', 'held_back', 'batch_size', 'inner_steps'):
        if getattr(args, name) < 1:
            raise InputError(f'--{name.replace("_", "-")} is 1 or more, got {getattr(args, name)}')
    for rate in (*args.rates, args.inner_lr, args.lr):
        if not (np.isfinite(rate) and rate > 0):
            raise InputError(f'rates are above 0, got {rate}')
    for path in (args.json, args.plot):
        if path is not None:
            check_target(path)
    if args.plot is not None:
        check_suffix(args.plot)


def main() -> None:
    args = parse_args()
    options = args.cfg_options or {}
    model = build_tracker(args.config, args.checkpoint, args.device, plain=True, options=options)
    if not isinstance(model, GuidedDetector):
        raise InputError(f'expected the config of a GuidedDetector, got a {type(model).__name__}')
    if args.inner_steps is None:
        args.inner_steps = model.learner.inner_steps
    args.inner_lr = args.inner_lr or model.learner.inner_lr
    check(args)
    name, config = load_config(args.config)
    config.merge_from_dict(options)
    data = read_data(model, config, args)
    heads = heads_of(model, data, args)
    clips = list(data.held_back.clips)
    print_report(heads, clips)
    if args.json is not None:
        write_json(report(heads, clips, args), args.json)
    if args.plot is not None:
        lines = {name: own.means() for name, own in heads.items()}
        labels = ('inner rate', f'query loss after {args.inner_steps} steps')
        plot_bands(args.rates, lines, labels, f'{name}, {len(clips)} episodes', args.plot)


if __name__ == '__main__':
    run_tool(main)
