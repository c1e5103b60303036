"""The clip samples that a config trains on."""

import os

from mmgtrack.datasets import ClipDataset
from mmgtrack.engine.options import read_config
from mmgtrack.errors import InputError, MMGTrackError, first_line
from mmgtrack.registry import DATASETS


def training_data(path: str | os.PathLike[str], stored: bool = False) -> ClipDataset:
    """The data set of a config's train_dataloader.

    stored: with frames as they are stored instead of the pipelines' pictures. Raises InputError for a config
    without training data, with other training data, or with some that cannot be built.
    """
    config = read_config(path)
    if not isinstance((config.get('train_dataloader') or {}).get('dataset'), dict):
        raise InputError(f'the config {path} has no train_dataloader')
    settings = config.train_dataloader.dataset
    if stored and 'pipelines' in settings:
        settings.pipelines = {role: [{'type': 'mmgtrack.LoadFrame'}] for role in settings.pipelines}
    try:
        dataset = DATASETS.build(settings)
    except MMGTrackError:
        raise
    except Exception as error:  # whatever a wrong type or argument in the config runs into
        raise InputError(f'the config {path} builds no training data: {first_line(error)}') from error
    if not isinstance(dataset, ClipDataset):
        raise InputError(f'{path} trains on a {type(dataset).__name__}, expected a mmgtrack.ClipDataset')
    return dataset
