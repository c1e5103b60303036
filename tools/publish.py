"""Make a small file of a trained model: ``python tools/publish.py CONFIG CHECKPOINT TARGET.pth``."""

import argparse
import dataclasses
import json

from mmgtrack.apis.publish import publish
from mmgtrack.cli.tools import run_tool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='model name or config file')
    parser.add_argument('checkpoint', help='training checkpoint')
    parser.add_argument('target', help='file to write')
    args = parser.parse_args()
    done = publish(args.config, args.checkpoint, args.target)
    print(json.dumps(dataclasses.asdict(done)))


if __name__ == '__main__':
    run_tool(main)
