"""Where contract and recorded cases run: MMGTRACK_TEST_DEVICE, by default the CPU; test_gpu.py sets it."""

import os

import torch

DEVICE = os.environ.get('MMGTRACK_TEST_DEVICE', 'cpu')
# convolutions of float32 numbers would otherwise keep 10 bits of them on a GPU
torch.backends.cudnn.allow_tf32 = False
