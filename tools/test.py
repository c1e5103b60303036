"""Evaluate a tracker: ``python tools/test.py CONFIG CHECKPOINT [--work-dir DIR]``."""

import argparse

from mmengine.config import DictAction

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.cli.tools import run_tool
from mmgtrack.engine.launch import build_runner
from mmgtrack.engine.options import blamed_on


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='weights to test')
    parser.add_argument('--work-dir', help='folder for logs')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='key=value overrides')
    args = parser.parse_args()
    with blamed_on(args.cfg_options):
        runner = build_runner(
            args.config, work_dir=args.work_dir, load_from=args.checkpoint, options=args.cfg_options
        )
        runner.test()


if __name__ == '__main__':
    run_tool(main)
