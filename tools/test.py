"""Test a tracker, as ``mmgtrack test`` does: ``python tools/test.py CONFIG CHECKPOINT [options]``."""

import argparse

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.cli.test import add_options, run
from mmgtrack.cli.tools import run_tool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    status = run(parser.parse_args())
    if status:
        raise SystemExit(status)


if __name__ == '__main__':
    run_tool(main)
