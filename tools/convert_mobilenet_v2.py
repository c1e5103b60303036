"""Convert ImageNet weights of MobileNetV2 (npz, torchvision names) to a checkpoint for mmdet's backbone."""

import argparse

import numpy as np
import torch

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.convert.mobilenet_v2 import remap_torchvision


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', help='npz with features.K... arrays')
    parser.add_argument('target', help='checkpoint to write (.pth)')
    args = parser.parse_args()
    arrays = np.load(args.source, allow_pickle=False)
    weights = {k: torch.from_numpy(np.asarray(v, dtype=np.float32)) for k, v in arrays.items()}
    torch.save({'state_dict': remap_torchvision(weights), 'meta': {}}, args.target)


if __name__ == '__main__':
    main()
