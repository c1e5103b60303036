"""Settings for all tests."""

import os

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # torch must not spin on shared cores

import torch

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)

torch.set_num_threads(1)
