"""``mmgtrack COMMAND ...``: parse, run, and say in one line what went wrong."""

import argparse
import os
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import NoReturn, TextIO

from mmgtrack.errors import InputError, MMGTrackError
from mmgtrack.version import __version__

# each module offers add_parser(subparsers) and run(args) -> exit status
COMMANDS = (
    'track',
    'models',
    'train',
    'test',
    'evaluate',
    'compare',
    'submit',
    'doctor',
    'calibrate',
    'convert',
    'browse-data',
    'label',
    'check-data',
)

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE

_PACKAGE = Path(__file__).resolve().parents[1]
_NEGATIVE = re.compile(r'-[\d.]')


class _Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are typed, so that all mistakes look the same."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f'{message} (see {self.prog} --help)')


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog='mmgtrack', description='Find one particular object in a video: a box in, a track out.'
    )
    parser.add_argument('--version', action='version', version=f'mmgtrack {__version__}')
    subparsers = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    for name in COMMANDS:
        _module(name).add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status.

    0 done, 1 done in part, 2 bad input, 130 interrupted, 141 output closed.
    """
    try:
        words = _join_negative_boxes(sys.argv[1:] if argv is None else argv)
        args, surplus = build_parser().parse_known_args(words)
        _refuse(surplus, args.command)
        command = _module(args.command)
        with _one_line_warnings():
            status: int = command.run(args)
        if sys.stdout is not None:  # None where the caller closed it
            sys.stdout.flush()
        return status
    except MMGTrackError as error:
        print(f'mmgtrack: error: {" ".join(str(error).split())}', file=sys.stderr)
        return EXIT_BAD_INPUT
    except ModuleNotFoundError as error:
        print(f'mmgtrack: error: {error}; `mmgtrack doctor` says how to mend it', file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print('mmgtrack: interrupted', file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # the interpreter flushes stdout once more at exit and would complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE


def _module(command: str) -> ModuleType:
    return import_module(f'mmgtrack.cli.{command.replace("-", "_")}')


def _refuse(surplus: Sequence[str], command: str) -> None:
    """Words that no command knows."""
    if surplus and command == 'track' and os.path.exists(surplus[0]):
        raise InputError(
            f'one SOURCE at a time, got {surplus[0]} besides; put a glob in quotes, so that the shell does '
            'not take it apart'
        )
    if surplus:
        raise InputError(f'unrecognized arguments: {" ".join(surplus)} (see mmgtrack {command} --help)')


def _join_negative_boxes(argv: Sequence[str]) -> list[str]:
    """``--box -5,8,20,20`` to ``--box=-5,8,20,20``: argparse takes the value for an option."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] == '--box' and _NEGATIVE.match(word):
            joined[-1] = f'--box={word}'
        else:
            joined.append(word)
    return joined


@contextmanager
def _one_line_warnings() -> Iterator[None]:
    """Print our own warnings in one line, and leave those of other packages to Python."""
    with warnings.catch_warnings():
        plain = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if Path(filename).is_relative_to(_PACKAGE):
                print(f'mmgtrack: warning: {message}', file=sys.stderr)
            else:
                plain(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield
