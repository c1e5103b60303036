"""Processes that load data: what befalls them is said in one line."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mmgtrack.errors import MMGTrackError, WorkerError

TIMEOUT = 600
"""Seconds that a batch may take (ours): a disk that answers at all has answered by then."""


def with_timeout(loader: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a data loader; torch would wait for a worker that hangs without end."""
    given = dict(loader)
    if given.get('num_workers', 0) > 0:
        given.setdefault('timeout', TIMEOUT)
    return given


@contextmanager
def typed_worker_errors() -> Iterator[None]:
    """Raise WorkerError where torch finds that a worker is gone, or that it does not answer.

    What a worker itself raises, torch wraps into its traceback; of our own errors the message is left.
    """
    try:
        yield
    except MMGTrackError as error:
        if 'Original Traceback' not in str(error):
            raise
        said = str(error).strip().splitlines()[-1]
        raise type(error)(said.removeprefix(f'{type(error).__module__}.{type(error).__name__}: ')) from error
    except RuntimeError as error:
        reason = _reason(str(error))
        if reason is None:
            raise
        raise WorkerError(f'{reason}; go on from the last checkpoint with --resume') from error


def _reason(message: str) -> str | None:
    """What torch's message means; None for any other message."""
    silent = re.match(r'DataLoader timed out after (\d+) seconds', message)
    if silent:
        return (
            f'the processes that load data gave no batch for {silent[1]} seconds: does the disk with the '
            'data still answer? If it is only slow, raise train_dataloader.timeout'
        )
    if 'Bus error' in message:
        return (
            'a process that loads data found no room in shared memory: enlarge /dev/shm, or lower '
            'train_dataloader.num_workers'
        )
    dead = re.match(r'DataLoader worker \(pid(?:\(s\))? ([\d, ]+)\)', message)
    if dead:
        return (
            f'the process {dead[1].strip()} that loads data was ended from outside, most often for want of '
            'memory (see dmesg): lower train_dataloader.num_workers'
        )
    return None
