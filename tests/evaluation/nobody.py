"""A process that is not allowed everything: tests may be run by root, whom no folder is closed to."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

NOBODY = 65534


def raised_as_nobody(folder: Path, call: Callable[[], object]) -> str:
    """Type and message of what ``call`` raises in the working folder ``folder``; '' where it raises nothing.

    Files below the folder are to be named relative to it: those above it are closed to nobody.
    """
    if not hasattr(os, 'fork'):
        pytest.skip('this system has no fork')
    _open_to_all(folder)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _report(folder, call, writing)
    os.close(writing)
    with os.fdopen(reading, encoding='utf-8') as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def _open_to_all(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.rglob('*'):
        needed = 0o500 if path.is_dir() else 0o400
        if path.stat().st_mode & needed == needed:  # what a test closed stays closed
            path.chmod(0o755)


def _report(folder: Path, call: Callable[[], object], writing: int) -> None:
    said = 'the process could not become nobody'
    try:
        os.chdir(folder)
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        said = ''
        call()
    except BaseException as error:
        said = f'{type(error).__name__}: {error}'
    finally:
        os.write(writing, said.encode())
        os._exit(0)
