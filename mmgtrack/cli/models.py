"""``mmgtrack models``: which models there are."""

import argparse
import dataclasses
import json
from typing import Any

_COLUMNS = ('name', 'params', 'size_bytes', 'description')


def add_parser(subparsers: Any) -> None:
    """Declare the command."""
    parser = subparsers.add_parser('models', help='list the models that --model takes')
    parser.add_argument('--json', action='store_true', help='print all fields as JSON')


def run(args: argparse.Namespace) -> int:
    """Print the models as a table or as JSON."""
    from mmgtrack.apis import list_models

    models = [dataclasses.asdict(model) for model in list_models()]
    if args.json:
        print(json.dumps(models, indent=2, default=str))
    else:
        _print_table(models)
    return 0


def _print_table(models: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    # a name that is cut in two cannot be copied
    table = Table(Column('name', no_wrap=True), 'parameters', 'weights', 'description')
    for model in models:
        name, params, size, description = (model.get(column) for column in _COLUMNS)
        table.add_row(str(name), _millions(params), _weights(model.get('weights'), size), description or '')
    Console().print(table)


def _millions(params: int | None) -> str:
    return '' if params is None else f'{params / 1e6:.1f} M'


def _weights(weights: Any, size_bytes: int | None) -> str:
    if not weights:
        return 'none: give --checkpoint'
    return 'included' if not size_bytes else f'included, {size_bytes / 2**20:.1f} MiB'
