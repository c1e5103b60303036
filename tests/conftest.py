"""Settings for all tests."""

import os
import signal
from collections.abc import Iterator

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # torch must not spin on shared cores

import pytest
import torch

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)

torch.set_num_threads(1)
# behind nohup and the like; programs under test would inherit it
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def no_root() -> Iterator[None]:
    """Root may write anywhere; whether a place can be written is asked for the real user, so change that."""
    if os.geteuid() != 0:
        yield
        return
    os.setreuid(65534, 0)
    try:
        yield
    finally:
        os.setreuid(0, 0)
