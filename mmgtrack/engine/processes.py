"""Several processes of one run: joining them for a test, agreeing on what the first one finds, leaving."""

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NoReturn, TypeVar

import torch
from mmengine.dist import barrier, broadcast_object_list, get_rank, get_world_size, is_distributed

from mmgtrack.engine.distributed import end_with_parent, read_ranks

T = TypeVar('T')

_PATIENCE = timedelta(days=30)  # ours: one process may have a long video left when the others are done


@contextmanager
def joined_processes(launcher: str) -> Iterator[int]:
    """Join those that a launcher has started, by gloo on any device; the number of this one on its machine.

    For tests, whose processes only exchange a few words and wait for the slowest. Raises InputError where
    this process was not started by that launcher.
    """
    if launcher == 'none':
        yield 0
        return
    read_ranks(launcher)
    end_with_parent()
    torch.distributed.init_process_group('gloo', timeout=_PATIENCE)
    with leaving_processes():
        yield int(os.environ['LOCAL_RANK'])
        barrier()


@contextmanager
def leaving_processes() -> Iterator[None]:
    """Leave the group that was joined inside: gloo's threads may abort a process that ends beside them."""
    try:
        yield
    finally:
        if is_distributed():
            torch.distributed.destroy_process_group()


def end_process() -> NoReturn:
    """End this process well, without tearing the interpreter down.

    A wrapped model holds gloo's threads beyond the end of its group; where another process has closed its
    connections already, they abort what is left, and the run would count as failed.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def from_first(make: Callable[[], T]) -> T:
    """What the first process makes, for all of them; its error ends them all, and only it says so."""
    if get_world_size() == 1:
        return make()
    box: list[Any] = [None, False]
    if get_rank() == 0:
        try:
            box = [make(), True]
        except Exception:  # any: the others would wait for ever
            broadcast_object_list(box)
            raise
    broadcast_object_list(box)
    if not box[1]:
        raise SystemExit(2)
    made: T = box[0]
    return made
