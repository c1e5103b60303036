"""Does a head that learned to learn beat those that were trained plainly, after the same few steps?

    python tools/analysis/meta_learning.py configs/guided_mobilenetv2_lite.py my.pth --plot few_shot.png

Trunk and guidance of the checkpoint are frozen. Three heads start from the same numbers and make as many
steps on the same episodes of the training data: one through the inner loop (MAML), and two without it. One of
these sees the query images alone, the other both images, as the inner loop does.
On episodes of the validation sequences each then takes N steps on the support image, at every rate of one
grid; measured is the loss on the query image. Each head's rate is chosen on other episodes of the training
videos. The checkpoint's own head stands beside them. docs/few_shot.md says what the numbers mean.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from torch import Tensor

from mmgtrack.apis.few_shot import (
    Episodes,
    both_loss,
    data_sets,
    fresh_head,
    meta_loss,
    query_loss,
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
from mmgtrack.errors import InputError
from mmgtrack.evaluation.few_shot import Bounded, HeadLosses, bounded_mean, lower_by
from mmgtrack.files import check_target
from mmgtrack.formats.json_file import write_json
from mmgtrack.models.guided_detector import GuidedDetector, MetaLearner
from mmgtrack.visualization.bands import plot_bands
from mmgtrack.visualization.figures import check_suffix

RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # ours: the paper's .05, and what lies around it
PLAIN = ('plain', 'plain, both images')
TRAINED = dict(zip(('meta', *PLAIN), (meta_loss, query_loss, both_loss), strict=True))
EPISODES_A_SEED = 1_000_000
"""Samples of a data set are numbered; those of one seed lie in a range of their own."""


@dataclass(frozen=True, eq=False)
class Data:
    """Episodes to train all heads on, to choose their rates by, and those that are reported."""

    training: Episodes
    tuning: Episodes
    held_back: Episodes


def read_data(model: GuidedDetector, config: Config, args: argparse.Namespace) -> Data:
    """Of the config's training data, of its videos alone, and of its validation sequences."""
    sets = data_sets(config)
    first = args.seed * EPISODES_A_SEED
    tuning = range(first + args.episodes, first + args.episodes + args.tuning)
    held_back = range(first, first + args.held_back)
    return Data(
        read_episodes(model, sets.training, range(args.episodes), report=Countdown('training episodes')),
        read_episodes(model, sets.videos, tuning, report=Countdown('tuning episodes')),
        read_episodes(model, sets.held_back, held_back, report=Countdown('held-back episodes')),
    )


def heads_of(model: GuidedDetector, data: Data, args: argparse.Namespace) -> dict[str, HeadLosses]:
    """The losses of the heads, which differ by what their training lowers, and of the checkpoint's."""
    start = fresh_head(model, seed=args.seed)
    learner = with_options(model.learner, inner_steps=args.inner_steps, inner_lr=args.inner_lr)
    options = dict(num_steps=args.steps, batch_size=args.batch_size, lr=args.lr, seed=args.seed)
    found = {}
    for name, outer_loss in TRAINED.items():
        report = Countdown(f'steps of the head "{name}"')
        theta = train_head(learner, start, data.training, **options, outer_loss=outer_loss, report=report)
        found[name] = measured(learner, theta, data, args)
    found['checkpoint'] = measured(model.learner, model.theta().detach(), data, args)
    return found


def measured(learner: MetaLearner, theta: Tensor, data: Data, args: argparse.Namespace) -> HeadLosses:
    """A head's losses after the same steps at every rate."""
    at_rates = [with_options(learner, inner_lr=rate) for rate in args.rates]
    tuning, held_back = (
        [query_losses(each, theta, part, args.inner_steps) for each in at_rates]
        for part in (data.tuning, data.held_back)
    )
    return HeadLosses(
        args.rates,
        np.stack([found.losses for found in tuning]),
        np.stack([found.losses for found in held_back]),
        query_losses(learner, theta, data.held_back, 0).losses,
        [found.dropped for found in held_back],
    )


def differences(
    heads: dict[str, HeadLosses], clips: Sequence[str]
) -> Iterator[tuple[str, str, dict[str, Bounded]]]:
    """By how much two heads that learn steps are lower than the plain ones, drawing clips and episodes."""
    for first in ('meta', 'checkpoint'):
        for second in PLAIN:
            pair = heads[first], heads[second]
            yield first, second, dict(clips=lower_by(*pair, clips), episodes=lower_by(*pair))


def report(heads: dict[str, HeadLosses], data: Data, args: argparse.Namespace) -> dict[str, Any]:
    """All numbers, for JSON: means with their bounds of 95 % drawing clips, the losses of every episode."""
    settings = ('steps', 'episodes', 'tuning', 'inner_steps', 'inner_lr', 'batch_size', 'lr', 'seed')
    clips = data.held_back.clips
    return dict(
        settings={name: getattr(args, name) for name in settings},
        rates=list(args.rates),
        training_stills=data.training.num_stills,
        tuning_clips=list(data.tuning.clips),
        clips=list(clips),
        heads={
            name: dict(
                before=bounded_mean(own.before, clips),
                means=own.means(clips),
                chosen_rate=own.chosen_rate,
                at_chosen=bounded_mean(own.losses, clips),
                at_chosen_episodes=bounded_mean(own.losses),
                losses=own.losses.tolist(),
                dropped_steps=list(own.dropped),
                tuning_losses=own.tuning.tolist(),
            )
            for name, own in heads.items()
        },
        lower_by=[dict(head=one, than=other, **by) for one, other, by in differences(heads, clips)],
    )


def print_report(heads: dict[str, HeadLosses], data: Data, args: argparse.Namespace) -> None:
    """A row for each rate, a column for each head; then the differences at the rates that were chosen."""
    clips = data.held_back.clips
    print(
        f'loss of {len(clips)} held-back queries from {len(set(clips))} clips: mean, and bounds of 95 % '
        'drawing clips; *: the rate that was chosen'
    )
    print_table(['inner rate', *heads], rate_rows(heads, clips, args.rates))
    episodes = [in_words(bounded_mean(own.losses)) for own in heads.values()]
    print_table(['at the chosen rate', *heads], [['drawing episodes', *episodes]])
    for first, second, by in differences(heads, clips):
        print(
            f'{first} is lower than "{second}" by {in_words(by["clips"])}; '
            f'drawing episodes: {in_words(by["episodes"])}'
        )
    for name, own in heads.items():
        left_out = [f'{n} at {rate:g}' for rate, n in zip(own.rates, own.dropped, strict=True) if n]
        if left_out:
            print(f'{name}: steps left out because they were no numbers: {", ".join(left_out)}')
    share = data.training.num_stills / len(data.training)
    print(f'{100 * share:.0f} % of the {len(data.training)} training episodes are still pictures')


def rate_rows(heads: dict[str, HeadLosses], clips: Sequence[str], rates: Sequence[float]) -> list[list[str]]:
    means = [own.means(clips) for own in heads.values()]
    rows = [['no step', *(in_words(bounded_mean(own.before, clips)) for own in heads.values())]]
    for index, rate in enumerate(rates):
        marks = ['*' if own.chosen == index else '' for own in heads.values()]
        cells = [in_words(own[index]) + mark for own, mark in zip(means, marks, strict=True)]
        rows.append([f'{rate:g}', *cells])
    chosen = ['none' if own.chosen_rate is None else f'{own.chosen_rate:g}' for own in heads.values()]
    return [*rows, ['chosen', *chosen]]


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
        'steps': (1000, 'of training, for each head'),
        'episodes': (2000, 'to train on'),
        'tuning': (100, 'more of the training videos, to choose the rates by'),
        'held-back': (200, 'of the validation sequences, to report'),
        'batch-size': (16, 'episodes a step of training'),
    }
    for name, (default, what) in counts.items():
        parser.add_argument(
            f'--{name}', type=int, default=default, metavar='N', help=f'{what} (default: %(default)s)'
        )
    parser.add_argument(
        '--inner-steps',
        type=int,
        metavar='N',
        help="on the support image (default: the learner's inner_steps; its first_steps where that is 0)",
    )
    parser.add_argument(
        '--inner-lr', type=float, metavar='RATE', help="in the meta head's training (default: the learner's)"
    )
    parser.add_argument(
        '--rates', type=float, nargs='+', default=RATES, metavar='RATE', help='(default: %(default)s)'
    )
    parser.add_argument('--lr', type=float, default=1e-3, help='of Adam, all heads (default: %(default)s)')
    parser.add_argument(
        '--seed',
        type=int,
        default=0,
        help='of start, batches, tuning and held-back episodes (default: %(default)s)',
    )
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
    if args.seed < 0:
        raise InputError(f'--seed is 0 or more, got {args.seed}')
    if args.episodes + args.tuning > EPISODES_A_SEED or args.held_back > EPISODES_A_SEED:
        raise InputError(f'a seed has {EPISODES_A_SEED} episodes, take fewer')
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
        args.inner_steps = model.learner.inner_steps or model.learner.first_steps
    if args.inner_lr is None:
        args.inner_lr = model.learner.inner_lr
    check(args)
    name, config = load_config(args.config)
    config.merge_from_dict(options)
    data = read_data(model, config, args)
    heads = heads_of(model, data, args)
    print_report(heads, data, args)
    if args.json is not None:
        write_json(report(heads, data, args), args.json)
    if args.plot is not None:
        clips = data.held_back.clips
        lines = {name: own.means(clips) for name, own in heads.items()}
        labels = ('inner rate', f'query loss after {args.inner_steps} steps')
        plot_bands(args.rates, lines, labels, f'{name}, {len(clips)} episodes', args.plot)


if __name__ == '__main__':
    run_tool(main)
