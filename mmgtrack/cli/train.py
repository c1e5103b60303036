"""``mmgtrack train CONFIG``: train a tracker, or go on with it."""

import argparse
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

from mmgtrack.cli.config_values import ConfigValues


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    add_options(
        subparsers.add_parser(
            'train',
            help='train a model',
            description='Train the model of a config, or go on with a run that ended early. Checkpoints and '
            'logs go into the work folder. Several processes: tools/dist_train.sh, tools/slurm_train.sh.',
        )
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the command, and of the script tools/train.py."""
    parser.add_argument('config', metavar='CONFIG', help='config file')
    parser.add_argument(
        '--work-dir', metavar='DIR', help='folder for checkpoints and logs (default: work_dirs/<config name>)'
    )
    parser.add_argument(
        '--resume',
        metavar='FILE',
        nargs='?',
        const=True,
        default=False,
        help='go on from the last whole checkpoint of the work folder, or from this one',
    )
    parser.add_argument('--load-from', metavar='FILE', help='weights to start from')
    parser.add_argument(
        '--cfg-options', metavar='KEY=VALUE', nargs='+', action=ConfigValues, help='values of the config'
    )
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='fit the learning rate to the batch of all processes'
    )
    parser.add_argument(
        '--device', choices=('cpu', 'cuda'), help='where to train (default: on a GPU if there is one)'
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision')
    parser.add_argument('--accumulate', metavar='N', type=int, help='one update for N batches')
    parser.add_argument('--tensorboard', action='store_true', help='log for TensorBoard, too')
    parser.add_argument(
        '--launcher',
        choices=('none', 'pytorch', 'slurm', 'mpi'),
        default='none',
        help='what started this process beside others (default: %(default)s)',
    )
    # what torch's and mim's launchers add; torch says the rank in the environment, too
    parser.add_argument('--local-rank', '--local_rank', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--gpus', type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    """Train to the end."""
    if args.device == 'cpu':
        os.environ['CUDA_VISIBLE_DEVICES'] = '-1'  # before what is imported below looks for GPUs
    from mmgtrack.engine.switches import accumulate, choose_device, log_to_tensorboard, use_amp

    if args.device is not None:
        choose_device(args.device)
    from mmgtrack.engine.launch import build_runner
    from mmgtrack.engine.options import blamed_on
    from mmgtrack.engine.processes import end_process, leaving_processes

    changes: Sequence[Any] = [
        *([use_amp] if args.amp else []),
        *([log_to_tensorboard] if args.tensorboard else []),
        *([partial(accumulate, passes=args.accumulate)] if args.accumulate is not None else []),
    ]
    with leaving_processes(), blamed_on(args.cfg_options):
        runner = build_runner(
            args.config,
            work_dir=args.work_dir,
            resume=args.resume,
            load_from=args.load_from,
            options=args.cfg_options,
            launcher=args.launcher,
            auto_scale_lr=args.auto_scale_lr,
            changes=changes,
        )
        runner.train()
    if args.launcher != 'none':
        end_process()
    return 0
