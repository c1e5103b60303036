"""``mmgtrack doctor``: not written yet."""

import argparse
from typing import Any

from mmgtrack.errors import InputError


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    subparsers.add_parser('doctor', help='not written yet')


def run(args: argparse.Namespace) -> int:
    """Say that there is nothing to run."""
    raise InputError('mmgtrack doctor is not written yet')
