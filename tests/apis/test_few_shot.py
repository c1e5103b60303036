"""Heads on rows of episodes: what each training lowers, and how losses after steps are measured."""

import copy
import json

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor

from mmgtrack.apis.few_shot import (
    Episodes,
    both_loss,
    data_sets,
    meta_loss,
    query_loss,
    query_losses,
    read_episodes,
    train_head,
    with_options,
)
from mmgtrack.datasets import synthetic_clip, write_sequence
from mmgtrack.errors import DataError, InputError
from mmgtrack.models.guided_detector import GuidedDetector, MetaLearner
from mmgtrack.models.guided_detector.head_rows import HeadRows
from tests.models.heads import layout_of, random_rows
from tests.models.test_meta_learner import bound
from tests.trackers import CONFIGS, SMALL_GUIDED, small_guided

LAYOUT = layout_of()
STEPS = 3
HALF = 2e-3
"""What features in half precision change of a loss."""


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


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The small model's data: two videos and a still image to train on, a video to report."""
    root = tmp_path_factory.mktemp('data')
    for part, seed in (('train', 1), ('train', 2), ('val', 3)):
        write_sequence(synthetic_clip(10, seed=seed), root / part / str(seed))
    image = cv2.imread(str(root / 'train/1/img/000001.png'))
    cv2.imwrite(str(root / 'still.png'), image)
    size = dict(zip(('height', 'width'), image.shape[:2], strict=True))
    content = dict(
        images=[dict(id=1, file_name='still.png', **size)],
        annotations=[dict(id=1, image_id=1, bbox=[20, 20, 30, 30], area=900, iscrowd=0, category_id=1)],
        categories=[dict(id=1, name='object')],
    )
    (root / 'annotations.json').write_text(json.dumps(content))
    videos, held_back = (
        dict(type='mmgtrack.SequenceFolder', root=str(root / part)) for part in ('train', 'val')
    )
    config = Config.fromfile(CONFIGS / 'guided_mobilenetv2_lite.py')
    config.merge_from_dict(SMALL_GUIDED)
    config.train_dataloader.dataset.sources = [videos, dict(type='mmgtrack.CocoImages', root=str(root))]
    for role, side in (('exemplar', 64), ('support', 96), ('query', 96)):
        config.train_dataloader.dataset.pipelines[role][2].size = side
    config.val_dataloader.dataset = held_back
    config.test_dataloader.dataset = videos
    return config


def small() -> GuidedDetector:
    model = small_guided()
    assert isinstance(model, GuidedDetector)
    return model


def test_rates_are_chosen_on_videos_and_reported_on_held_back_ones(data: Config) -> None:
    sets = data_sets(data)
    episodes = read_episodes(small(), sets.training, range(12))
    assert 0 < episodes.num_stills < 12
    assert [len(each.readers) for each in sets] == [2, 1, 1]
    assert read_episodes(small(), sets.held_back, range(2)).clips == ['3', '3']
    tested = copy.deepcopy(data)
    tested.val_dataloader = None
    assert data_sets(tested).held_back[0]['data_samples'].clip['query'] in '12'


def test_data_that_do_not_do(data: Config) -> None:
    for without, message in (
        (('val_dataloader', 'test_dataloader'), 'nothing can be held back'),
        (('train_dataloader',), 'nothing to train heads on'),
    ):
        config = copy.deepcopy(data)
        config.merge_from_dict(dict.fromkeys(without))
        with pytest.raises(InputError, match=message):
            data_sets(config)
    config = copy.deepcopy(data)
    del config.train_dataloader.dataset.sources[0]
    with pytest.raises(InputError, match='on still images alone'):
        data_sets(config)


def start() -> Tensor:
    return 0.01 * torch.randn(LAYOUT.size, generator=torch.Generator().manual_seed(1))


def test_each_head_is_better_at_what_it_was_trained_for(learner: MetaLearner, episodes: Episodes) -> None:
    trainings = (meta_loss, query_loss, both_loss)
    heads = [
        train_head(learner, start(), episodes, num_steps=150, batch_size=15, lr=0.02, outer_loss=lowered)
        for lowered in trainings
    ]
    losses = torch.tensor(
        [
            [lowered(learner, theta, episodes.support, episodes.query) for theta in (start(), *heads)]
            for lowered in trainings
        ]
    )
    assert losses[:, 1:].argmin(1).tolist() == [0, 1, 2]
    assert (losses[:, 1:].diagonal() < losses[:, 0] - 0.02).all()


def test_same_seed_same_head(learner: MetaLearner, episodes: Episodes) -> None:
    first, again, other = (
        train_head(learner, start(), episodes, num_steps=3, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_plain_training_is_that_without_steps(learner: MetaLearner, episodes: Episodes) -> None:
    plain, theta = with_options(learner, inner_steps=0), start()
    rows = episodes.support, episodes.query
    own, other = (learner.loss(theta, each).mean() for each in rows)
    for each in (meta_loss(plain, theta, *rows), query_loss(learner, theta, *rows)):
        torch.testing.assert_close(each, other)
    torch.testing.assert_close(both_loss(learner, theta, *rows), (own + other) / 2)


def test_rows_are_those_that_training_reads(data: Config) -> None:
    """Each role's of its own image: the losses of the two differ, and are the model's own."""
    model, samples = small(), data_sets(data).videos
    episodes = read_episodes(model, samples, range(4), batch_size=4)
    assert set(episodes.clips) <= {'1', '2'} and len(episodes) == 4
    model.learner = with_options(model.learner, inner_steps=0)
    found, expected = [], []
    for number in range(4):
        rows = [own.at([number]) for own in (episodes.support, episodes.query)]
        with torch.no_grad():
            losses = model.loss(**model.data_preprocessor(pseudo_collate([samples[number]]), False))
            found.append([query_loss(model.learner, model.theta(), own, own) for own in rows])
            after = meta_loss(model.learner, model.theta(), *rows)
        expected.append([losses['support_before'], losses['loss_query']])
        torch.testing.assert_close(after, found[-1][1])
    support, query = torch.tensor(expected).T
    torch.testing.assert_close(torch.tensor(found), torch.tensor(expected), rtol=HALF, atol=0)
    assert ((support - query).abs() > 10 * HALF * query).any()


def test_a_feature_beyond_half_precision_is_named(data: Config) -> None:
    model = small()
    for guidance in model.guidance:
        guidance.merge.weight.data *= 1e7
    with pytest.raises(DataError, match=r'half precision.* ends at 65504'):
        read_episodes(model, data_sets(data).videos, range(2))


def test_losses_are_those_after_the_steps(learner: MetaLearner, episodes: Episodes) -> None:
    theta = start()
    for steps in (0, 2):
        after = learner.adapt(theta, episodes.support, steps=steps).theta
        expected = learner.loss(after, episodes.query).detach()
        found = query_losses(learner, theta, episodes, steps, batch_size=7)
        torch.testing.assert_close(torch.from_numpy(found.losses).float(), expected)
        assert found.dropped == 0
    beyond = with_options(learner, inner_lr=1e39)  # float32 ends below
    assert query_losses(beyond, theta, episodes, 2).dropped == 2 * len(episodes)


def test_options_are_those_of_the_copy_alone(learner: MetaLearner) -> None:
    other = with_options(learner, inner_lr=0.1, inner_steps=1)
    assert (other.inner_lr, other.inner_steps) == (0.1, 1)
    assert (learner.inner_lr, learner.inner_steps) == (0.5, STEPS)


def test_training_that_diverges_is_told(learner: MetaLearner, episodes: Episodes) -> None:
    with pytest.raises(InputError, match='take a lower learning rate than 3e'):
        train_head(learner, start(), episodes, num_steps=5, lr=3e37)
