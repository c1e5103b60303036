"""``mmgtrack calibrate``: not written yet."""

import argparse
from typing import Any

from mmgtrack.errors import InputError


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    subparsers.add_parser('calibrate', help='not written yet')


def run(args: argparse.Namespace) -> int:
    """Say that there is nothing to run."""
    raise InputError('mmgtrack calibrate is not written yet')
