"""Two heads on rows of episodes: what either training lowers, and how losses after steps are measured."""

import pytest
import torch
from torch import Tensor

from mmgtrack.apis.few_shot import Episodes, outer_loss, query_losses, train_head, with_options
from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector import MetaLearner
from mmgtrack.models.guided_detector.head_rows import HeadRows
from tests.models.heads import layout_of, random_rows
from tests.models.test_meta_learner import bound

LAYOUT = layout_of()
STEPS = 3


@pytest.fixture(scope='module')
def episodes() -> Episodes:
    """Thirty tasks whose support says which side of a plane of its own the target's features lie on."""
    torch.manual_seed(0)
    planes = torch.randn(30, 1, 1, 5)
    support, query = (_labelled(random_rows(LAYOUT, 30, 1, dtype=torch.float32), planes) for _ in range(2))
    return Episodes(support, query, [f'clip {n % 6}' for n in range(30)])


def _labelled(rows: HeadRows, planes: Tensor) -> HeadRows:
    labels = ((rows.features[0] * planes).sum(-1) > 0).float()
    return rows._replace(labels=labels[..., None, :].expand_as(rows.labels).contiguous())


@pytest.fixture(scope='module')
def learner() -> MetaLearner:
    return bound(LAYOUT, inner_steps=STEPS, inner_lr=0.5)


def start() -> Tensor:
    return 0.01 * torch.randn(LAYOUT.size, generator=torch.Generator().manual_seed(1))


def test_each_head_is_better_at_what_it_was_trained_for(learner: MetaLearner, episodes: Episodes) -> None:
    plain = with_options(learner, inner_steps=0)
    heads = [
        train_head(each, start(), episodes, num_steps=150, batch_size=15, lr=0.02)
        for each in (learner, plain)
    ]
    losses = torch.tensor(
        [
            [outer_loss(each, theta, episodes.support, episodes.query) for theta in (start(), *heads)]
            for each in (learner, plain)
        ]
    )
    assert losses[0].argmin() == 1
    assert losses[1].argmin() == 2
    assert (losses[0, 1] < losses[0, 0] - 0.02) and (losses[1, 2] < losses[1, 0] - 0.02)


def test_same_seed_same_head(learner: MetaLearner, episodes: Episodes) -> None:
    first, again, other = (
        train_head(learner, start(), episodes, num_steps=3, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_plain_training_is_that_without_steps(learner: MetaLearner, episodes: Episodes) -> None:
    plain, theta = with_options(learner, inner_steps=0), start()
    found = outer_loss(plain, theta, episodes.support, episodes.query)
    torch.testing.assert_close(found, learner.loss(theta, episodes.query).mean())


def test_losses_are_those_after_the_steps(learner: MetaLearner, episodes: Episodes) -> None:
    theta = start()
    for steps in (0, 2):
        after = learner.adapt(theta, episodes.support, steps=steps).theta
        expected = learner.loss(after, episodes.query).detach()
        found = query_losses(learner, theta, episodes, steps, batch_size=7)
        torch.testing.assert_close(torch.from_numpy(found).float(), expected)


def test_options_are_those_of_the_copy_alone(learner: MetaLearner) -> None:
    other = with_options(learner, inner_lr=0.1, inner_steps=1)
    assert (other.inner_lr, other.inner_steps) == (0.1, 1)
    assert (learner.inner_lr, learner.inner_steps) == (0.5, STEPS)


def test_training_that_diverges_is_told(learner: MetaLearner, episodes: Episodes) -> None:
    with pytest.raises(InputError, match='take a lower learning rate than 3e'):
        train_head(learner, start(), episodes, num_steps=5, lr=3e37)
