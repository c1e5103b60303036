"""``mmgtrack models``: which models there are."""

import argparse
import dataclasses
import json
import shutil
import textwrap
from typing import Any


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser('models', help='list the models that --model takes')
    parser.add_argument('--json', action='store_true', help='print all fields as JSON')


def run(args: argparse.Namespace) -> int:
    """Print the models as a list or as JSON."""
    from mmgtrack.apis import list_models

    models = [dataclasses.asdict(model) for model in list_models()]
    if args.json:
        print(json.dumps(models, indent=2, default=str))
    else:
        _print_list(models)
    return 0


def _print_list(models: list[dict[str, Any]]) -> None:
    """Two lines or more a model: a table would cut names, which cannot be copied then."""
    width = shutil.get_terminal_size().columns
    for model in models:
        facts = ', '.join(filter(None, (_parameters(model.get('params')), _weights(model))))
        print(f'{model["name"]}: {facts}')
        description = model.get('description') or ''
        print(textwrap.fill(description, width, initial_indent='    ', subsequent_indent='    '))


def _parameters(count: int | None) -> str:
    return '' if count is None else f'{count / 1e6:.1f} M parameters'


def _weights(model: dict[str, Any]) -> str:
    if not model.get('weights'):
        return 'no weights, give --checkpoint'
    size = model.get('size_bytes')
    return f'weights included ({size / 2**20:.1f} MiB)' if size else 'weights included'
