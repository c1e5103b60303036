"""Heads on one frozen trunk, trained with and without the inner loop: rows of episodes, steps, losses."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from mmgtrack.datasets import ClipDataset
from mmgtrack.errors import DataError, InputError
from mmgtrack.models.guided_detector import GuidedDetector, MetaLearner
from mmgtrack.models.guided_detector.episodes import ROLES, boxes_of, images_of
from mmgtrack.models.guided_detector.head_rows import HeadRows
from mmgtrack.registry import DATASETS
from mmgtrack.structures import ClipSample

Report = Callable[[int, int], None]
"""Called with how much is done, and of how much."""

OuterLoss = Callable[[MetaLearner, Tensor, HeadRows, HeadRows], Tensor]
"""What training lowers: () of theta (P,) and the rows of supports and queries, (B, 1, ...) each."""


@dataclass(frozen=True, eq=False)
class Episodes:
    """E tasks: rows of a support and a query image each, (E, 1, ...), features in half precision.

    clips: (E) names of the clips that they are from. num_stills: how many show one picture three times, in
    different crops: those of still images.
    """

    support: HeadRows
    query: HeadRows
    clips: Sequence[str]
    num_stills: int = 0

    def __len__(self) -> int:
        return len(self.clips)


class DataSets(NamedTuple):
    """Of episodes: those that a model trains with, those of its videos alone, and those to report."""

    training: ClipDataset
    videos: ClipDataset
    held_back: ClipDataset


def data_sets(config: Config) -> DataSets:
    """A config's training data, its sources that are videos, and its validation sequences, drawn alike.

    Where it has no validation sequences its test sequences are taken. Raises InputError without either,
    without training data, or without a video among them.
    """
    loaders = [config.get(name) for name in ('val_dataloader', 'test_dataloader')]
    reported = [loader['dataset'] for loader in loaders if loader and loader.get('dataset')]
    if not reported:
        raise InputError(
            'the config has neither val_dataloader nor test_dataloader: nothing can be held back'
        )
    if not config.get('train_dataloader'):
        raise InputError('the config has no train_dataloader: there is nothing to train heads on')
    settings = config.train_dataloader.dataset
    training: ClipDataset = DATASETS.build(settings)
    pairs = zip(settings.sources, training.readers, strict=True)
    videos = [source for source, reader in pairs if len(reader[0]) > 1]
    if not videos:
        raise InputError('the config trains on still images alone: rates are chosen on videos')
    return DataSets(
        training,
        DATASETS.build({**settings, 'sources': videos}),
        DATASETS.build({**settings, 'sources': reported[:1]}),
    )


@torch.no_grad()
def read_episodes(
    model: GuidedDetector,
    dataset: ClipDataset,
    numbers: range,
    batch_size: int = 8,
    report: Report | None = None,
) -> Episodes:
    """What the model's final layers would read in samples of its training data, as it stands.

    Hard negatives are those of the model's own final layers, in the query, too. Raises DataError where half
    precision cannot hold a feature.
    """
    parts: list[tuple[HeadRows, HeadRows]] = []
    clips: list[str] = []
    num_stills = 0
    for start in range(0, len(numbers), batch_size):
        samples = [dataset[number] for number in numbers[start : start + batch_size]]
        data = model.data_preprocessor(pseudo_collate(samples), False)
        support, query = _rows_of(model, **data)
        parts.append((_stored(support), _stored(query)))
        clips += [sample['data_samples'].clip['query'] for sample in samples]
        num_stills += sum(len(set(sample['data_samples'].source.values())) == 1 for sample in samples)
        if report is not None:
            report(len(clips), len(numbers))
    return Episodes(_joined([own for own, _ in parts]), _joined([own for _, own in parts]), clips, num_stills)


def fresh_head(model: GuidedDetector, std: float = 0.01, seed: int = 0) -> Tensor:
    """theta (P,) that knows nothing: normal numbers. std: ours, for all layers alike; biases, too."""
    generator = torch.Generator().manual_seed(seed)
    size = model.learner.layout.size
    return (std * torch.randn(size, generator=generator)).to(model.theta().device)


def with_options(learner: MetaLearner, **options: float) -> MetaLearner:
    """The learner with other values of some of its options."""
    other = copy.copy(learner)
    for name, value in options.items():
        setattr(other, name, value)
    return other


def meta_loss(learner: MetaLearner, theta: Tensor, support: HeadRows, query: HeadRows) -> Tensor:
    """Eq. 2: of the query after the inner steps on the support; with no inner steps, that of the query."""
    return learner.loss(learner.adapt(theta, support).theta, query).mean()


def query_loss(learner: MetaLearner, theta: Tensor, support: HeadRows, query: HeadRows) -> Tensor:
    """Of the query, without steps."""
    return learner.loss(theta, query).mean()


def both_loss(learner: MetaLearner, theta: Tensor, support: HeadRows, query: HeadRows) -> Tensor:
    """The mean of the support's and the query's, without steps: of as many images as ``meta_loss`` sees."""
    return (learner.loss(theta, support).mean() + learner.loss(theta, query).mean()) / 2


def train_head(
    learner: MetaLearner,
    theta: Tensor,
    episodes: Episodes,
    num_steps: int,
    batch_size: int = 16,
    lr: float = 1e-3,
    seed: int = 0,
    outer_loss: OuterLoss = meta_loss,
    report: Report | None = None,
) -> Tensor:
    """theta (P,) after steps of Adam, whose rate falls to a hundredth.

    outer_loss: what they lower. Same seed, same episodes.

    Raises InputError where training diverges.
    """
    trained = nn.Parameter(theta.clone())
    optimizer = torch.optim.Adam([trained], lr)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.01, total_iters=num_steps)
    generator = torch.Generator().manual_seed(seed)
    for step in range(num_steps):
        numbers = torch.randint(len(episodes), (batch_size,), generator=generator)
        support, query = (_on(rows.at(numbers), theta) for rows in (episodes.support, episodes.query))
        loss = outer_loss(learner, trained, support, query)
        if not loss.isfinite():
            raise InputError(
                f'the loss is {loss.item()} at step {step}: take a lower learning rate than {lr}'
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if report is not None:
            report(step + 1, num_steps)
    return trained.detach()


class QueryLosses(NamedTuple):
    """losses: (E,) float64. dropped: steps that were left out, because loss or gradient was no number."""

    losses: np.ndarray
    dropped: int


@torch.no_grad()
def query_losses(
    learner: MetaLearner, theta: Tensor, episodes: Episodes, num_steps: int, batch_size: int = 25
) -> QueryLosses:
    """Losses of the queries after steps on the supports, at the learner's inner rate."""
    losses, dropped = [], 0
    for numbers in torch.arange(len(episodes)).split(batch_size):
        support, query = (_on(rows.at(numbers), theta) for rows in (episodes.support, episodes.query))
        adapted = learner.adapt(theta, support, steps=num_steps)
        losses.append(learner.loss(adapted.theta, query))
        dropped += int(adapted.dropped.sum())
    return QueryLosses(torch.cat(losses).double().cpu().numpy(), dropped)


def _rows_of(
    model: GuidedDetector, inputs: dict[str, Tensor], data_samples: list[ClipSample]
) -> list[HeadRows]:
    """Rows (B, ...) of the support and of the query images."""
    boxes = {role: boxes_of(data_samples, role, model.data_preprocessor.mean) for role in ROLES}
    modulators = model.modulators(images_of(inputs, data_samples, 'exemplar'), boxes['exemplar'])
    theta = model.theta()
    rows = []
    for role in ROLES[1:]:
        maps = model.guide(model.extract(images_of(inputs, data_samples, role)), modulators)
        rows.append(model.heads.mine(model.heads.read(maps, boxes[role]), boxes[role], theta))
    return rows


def _stored(rows: HeadRows) -> HeadRows:
    """One sample a task, on the CPU, features in half precision: as a tracker keeps them."""
    features = tuple(_half(feature[:, None]).cpu() for feature in rows.features)
    return HeadRows(features, *(leaf[:, None].cpu() for leaf in rows[1:]))


def _half(feature: Tensor) -> Tensor:
    stored = feature.half()
    if not stored.isfinite().all():
        raise DataError(
            f'the final layers read {feature.abs().max().item():g}, and half precision, as trackers keep '
            f'features, ends at {torch.finfo(torch.half).max:g}: heads on this trunk cannot be compared'
        )
    return stored


def _joined(parts: Sequence[HeadRows]) -> HeadRows:
    features = tuple(torch.cat(feature) for feature in zip(*(rows.features for rows in parts), strict=True))
    return HeadRows(features, *(torch.cat(leaf) for leaf in zip(*(rows[1:] for rows in parts), strict=True)))


def _on(rows: HeadRows, like: Tensor) -> HeadRows:
    features = tuple(feature.to(like.device) for feature in rows.features)
    return HeadRows(features, *(leaf.to(like.device) for leaf in rows[1:]))
