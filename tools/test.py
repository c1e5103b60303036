"""Test a tracker, as ``mmgtrack test`` does: ``python tools/test.py CONFIG CHECKPOINT [options]``."""

import argparse

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.cli.test import add_options, run
from mmgtrack.cli.tools import run_tool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    # what torch's and mim's launchers add; torch says the rank in the environment, too
    parser.add_argument('--local-rank', '--local_rank', type=int, help=argparse.SUPPRESS)
    parser.add_argument('--gpus', type=int, help=argparse.SUPPRESS)
    status = run(parser.parse_args())
    if status:
        raise SystemExit(status)


if __name__ == '__main__':
    run_tool(main)
