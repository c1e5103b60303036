"""Train a tracker: ``python tools/train.py CONFIG [options]``, the same as ``mmgtrack train``."""

import argparse

from mmgtrack.cli.tools import run_tool
from mmgtrack.cli.train import add_options, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    run(parser.parse_args())


if __name__ == '__main__':
    run_tool(main)
