"""Evaluate a tracker: ``python tools/test.py CONFIG CHECKPOINT [--work-dir DIR]``."""

import argparse

from mmengine.model import is_model_wrapper
from torch import nn

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.apis.models import check_made_for, load_config
from mmgtrack.checkpoint import load_checkpoint_file, unmatched_keys
from mmgtrack.cli.tools import run_tool
from mmgtrack.engine.launch import build_runner
from mmgtrack.engine.options import Overrides, blamed_on
from mmgtrack.errors import CheckpointError


def check_weights(config: str, checkpoint: str, model: nn.Module) -> None:
    """Refuse weights that do not fit whole: the score would be that of random layers."""
    content = load_checkpoint_file(checkpoint)
    name, settings = load_config(config)
    check_made_for(content['meta'].get('config_name'), name, settings, checkpoint)
    weights = {key.removeprefix('module.'): weight for key, weight in content['state_dict'].items()}
    missing, unexpected, misshapen = unmatched_keys(model, weights)
    if missing or unexpected or misshapen:
        raise CheckpointError(
            f'{checkpoint} is of another architecture than {config}: {len(missing)} keys missing, '
            f'{len(unexpected)} unknown, {len(misshapen)} of another shape'
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='weights to test')
    parser.add_argument('--work-dir', help='folder for logs')
    parser.add_argument('--cfg-options', nargs='+', action=Overrides, help='key=value overrides')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    with blamed_on(args.cfg_options):
        runner = build_runner(
            args.config,
            work_dir=args.work_dir,
            load_from=args.checkpoint,
            options=args.cfg_options,
            launcher=args.launcher,
        )
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        check_weights(args.config, args.checkpoint, model)
        runner.test()


if __name__ == '__main__':
    run_tool(main)
