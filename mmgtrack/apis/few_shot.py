"""Two heads on one frozen trunk, trained with and without the inner loop: rows of episodes, steps, losses."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor, nn

from mmgtrack.datasets import ClipDataset
from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector import GuidedDetector, MetaLearner
from mmgtrack.models.guided_detector.episodes import ROLES, boxes_of, images_of
from mmgtrack.models.guided_detector.head_rows import HeadRows
from mmgtrack.structures import ClipSample

Report = Callable[[int, int], None]
"""Called with how much is done, and of how much."""


@dataclass(frozen=True, eq=False)
class Episodes:
    """E tasks: rows of a support and a query image each, (E, 1, ...), features in half precision.

    clips: (E) names of the clips that they are from.
    """

    support: HeadRows
    query: HeadRows
    clips: Sequence[str]

    def __len__(self) -> int:
        return len(self.clips)


@torch.no_grad()
def read_episodes(
    model: GuidedDetector,
    dataset: ClipDataset,
    numbers: range,
    batch_size: int = 8,
    report: Report | None = None,
) -> Episodes:
    """What the model's final layers would read in samples of its training data, as it stands.

    Hard negatives are those of the model's own final layers, in the query, too.
    """
    parts: list[tuple[HeadRows, HeadRows]] = []
    clips: list[str] = []
    for start in range(0, len(numbers), batch_size):
        samples = [dataset[number] for number in numbers[start : start + batch_size]]
        data = model.data_preprocessor(pseudo_collate(samples), False)
        support, query = _rows_of(model, **data)
        parts.append((_stored(support), _stored(query)))
        clips += [sample['data_samples'].clip['query'] for sample in samples]
        if report is not None:
            report(len(clips), len(numbers))
    return Episodes(_joined([own for own, _ in parts]), _joined([own for _, own in parts]), clips)


def fresh_head(model: GuidedDetector, std: float = 0.01, seed: int = 0) -> Tensor:
    """theta (P,) that knows nothing: normal numbers. std: mmdet's for the last layers of heads."""
    generator = torch.Generator().manual_seed(seed)
    size = model.learner.layout.size
    return (std * torch.randn(size, generator=generator)).to(model.theta().device)


def with_options(learner: MetaLearner, **options: float) -> MetaLearner:
    """The learner with other values of some of its options."""
    other = copy.copy(learner)
    for name, value in options.items():
        setattr(other, name, value)
    return other


def train_head(
    learner: MetaLearner,
    theta: Tensor,
    episodes: Episodes,
    num_steps: int,
    batch_size: int = 16,
    lr: float = 1e-3,
    seed: int = 0,
    report: Report | None = None,
) -> Tensor:
    """theta (P,) after steps of Adam, whose rate falls to a hundredth.

    Their loss is Eq. 2's: that of the query after the inner steps on the support; without any, that of the
    query. Same seed, same episodes.

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


def outer_loss(learner: MetaLearner, theta: Tensor, support: HeadRows, query: HeadRows) -> Tensor:
    """What ``train_head`` lowers: () of rows (B, 1, ...) and theta (P,)."""
    return learner.loss(learner.adapt(theta, support).theta, query).mean()


@torch.no_grad()
def query_losses(
    learner: MetaLearner, theta: Tensor, episodes: Episodes, num_steps: int, batch_size: int = 25
) -> np.ndarray:
    """(E,) float64 losses of the queries after steps on the supports, at the learner's inner rate."""
    losses = []
    for numbers in torch.arange(len(episodes)).split(batch_size):
        support, query = (_on(rows.at(numbers), theta) for rows in (episodes.support, episodes.query))
        adapted = learner.adapt(theta, support, steps=num_steps)
        losses.append(learner.loss(adapted.theta, query))
    return torch.cat(losses).double().cpu().numpy()


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
    features = tuple(feature[:, None].half().cpu() for feature in rows.features)
    return HeadRows(features, *(leaf[:, None].cpu() for leaf in rows[1:]))


def _joined(parts: Sequence[HeadRows]) -> HeadRows:
    features = tuple(torch.cat(feature) for feature in zip(*(rows.features for rows in parts), strict=True))
    return HeadRows(features, *(torch.cat(leaf) for leaf in zip(*(rows[1:] for rows in parts), strict=True)))


def _on(rows: HeadRows, like: Tensor) -> HeadRows:
    features = tuple(feature.to(like.device) for feature in rows.features)
    return HeadRows(features, *(leaf.to(like.device) for leaf in rows[1:]))
