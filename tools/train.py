"""Train a tracker: ``python tools/train.py CONFIG [--work-dir DIR] [--resume [FILE]]``."""

import argparse

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.cli.tools import run_tool
from mmgtrack.engine.launch import build_runner
from mmgtrack.engine.options import Overrides, blamed_on


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for checkpoints and logs')
    parser.add_argument('--resume', nargs='?', const=True, default=False, help='last checkpoint, or this one')
    parser.add_argument('--load-from', help='weights to start from')
    parser.add_argument('--cfg-options', nargs='+', action=Overrides, help='key=value overrides')
    parser.add_argument(
        '--auto-scale-lr', action='store_true', help='fit the learning rate to the batch of all processes'
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    with blamed_on(args.cfg_options):
        runner = build_runner(
            args.config,
            work_dir=args.work_dir,
            resume=args.resume,
            load_from=args.load_from,
            options=args.cfg_options,
            launcher=args.launcher,
            auto_scale_lr=args.auto_scale_lr,
        )
        runner.train()


if __name__ == '__main__':
    run_tool(main)
