"""Re-id head: maps, embeddings of boxes, losses against plain loops, and that it learns."""

import math
from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from mmgtrack.datasets import SyntheticClip, synthetic_clip
from mmgtrack.errors import InputError
from mmgtrack.geometry import box_iou
from mmgtrack.models.dm_track import ReIDHead
from mmgtrack.registry import MODELS

NAN, INF = float('nan'), float('inf')
BOXES = [[4.0, 6.0, 40.0, 30.0], [20.5, 3.25, 31.0, 60.0], [50.0, 40.0, 90.0, 60.0], [60.0, 0.0, 63.0, 2.0]]


def head_of(**options: object) -> ReIDHead:
    torch.manual_seed(0)
    config = dict(type='mmgtrack.ReIDHead', in_channels=[6, 8, 10], strides=[4, 8, 16], channels=12)
    head: ReIDHead = MODELS.build({**config, 'embed_dims': 16, **options})
    return head.eval()


def backbone_maps(num_images: int = 2, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Of images of 64x96 pixels."""
    rng = torch.Generator().manual_seed(1)
    return [
        torch.randn(num_images, channels, 64 // stride, 96 // stride, generator=rng).to(dtype)
        for channels, stride in ((6, 4), (8, 8), (10, 16))
    ]


def units(count: int, dims: int = 8, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return functional.normalize(torch.randn(count, dims, generator=rng, dtype=torch.float64), dim=1)


def test_an_image_is_read_as_if_it_were_alone() -> None:
    head, maps = head_of().double(), backbone_maps(dtype=torch.float64)
    together = head.read(maps)
    assert together.shape == (2, 12, 16, 24)
    alone = torch.cat([head.read([level[n : n + 1] for level in maps]) for n in range(2)])
    torch.testing.assert_close(together, alone)


def test_every_level_is_read() -> None:
    head, maps = head_of(), [level.requires_grad_() for level in backbone_maps()]
    head.read(maps).sum().backward()
    assert all(level.grad is not None and level.grad.abs().sum() > 0 for level in maps)


def test_a_box_is_embedded_as_if_it_were_alone() -> None:
    head = head_of().double()
    maps, boxes = head.read(backbone_maps(dtype=torch.float64)), torch.tensor(BOXES, dtype=torch.float64)
    frames = torch.tensor([0, 1, 1, 0])
    together = head.embed(maps, boxes, frames)
    assert together.shape == (4, 16)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(4, dtype=torch.float64))
    for n in range(4):
        alone = head.embed(maps[frames[n]][None], boxes[n : n + 1], torch.zeros(1, dtype=torch.long))
        torch.testing.assert_close(together[n : n + 1], alone)
    other = head.embed(maps, boxes, 1 - frames)
    assert (functional.cosine_similarity(together, other) < 0.999).all()


def test_a_crop_of_the_map_gives_the_same_embedding() -> None:
    """The box is all that counts: shifted by whole cells, away from borders, nothing changes."""
    head = head_of().double()
    maps, box = head.read(backbone_maps(1, torch.float64)), torch.tensor([[24.0, 20, 60, 44]]).double()
    moved = box - torch.tensor([8.0, 12, 8, 12], dtype=torch.float64)
    first = torch.zeros(1, dtype=torch.long)
    torch.testing.assert_close(head.embed(maps, box, first), head.embed(maps[:, :, 3:, 2:], moved, first))


@pytest.mark.parametrize(
    ('weights', 'autocast', 'returned', 'tolerance'),
    [
        (torch.float64, None, torch.float64, 1e-12),
        (torch.float32, None, torch.float32, 1e-5),
        (torch.float32, torch.bfloat16, torch.float32, 2e-2),
        (torch.bfloat16, torch.bfloat16, torch.float32, 2e-2),
    ],
)
def test_precisions(
    weights: torch.dtype, autocast: torch.dtype | None, returned: torch.dtype, tolerance: float
) -> None:
    frames, boxes = torch.tensor([0, 1, 1, 0]), torch.tensor(BOXES)
    precise = head_of().double()
    expected = precise.embed(precise.read(backbone_maps(dtype=torch.float64)), boxes, frames)
    head = head_of().to(weights)
    with torch.autocast('cpu', autocast, enabled=autocast is not None), torch.no_grad():
        found = head.embed(head.read(backbone_maps(dtype=weights)), boxes, frames)
    assert found.dtype == returned
    torch.testing.assert_close(found.norm(dim=1).double(), torch.ones(4).double(), atol=1e-6, rtol=0)
    cosines = (found.double() * expected).sum(1)
    torch.testing.assert_close(cosines, torch.ones(4).double(), atol=tolerance, rtol=0)


def test_places_inside_the_box_count() -> None:
    """Left and right exchanged: a pooled mean would see no difference."""
    head = head_of(in_channels=[12], strides=[4])
    maps = functional.interpolate(torch.randn(1, 12, 1, 2), size=(16, 16))
    boxes, first = torch.tensor([[0.0, 0, 64, 64]]), torch.zeros(1, dtype=torch.long)
    exchanged = maps.flip(3)
    torch.testing.assert_close(maps.mean((2, 3)), exchanged.mean((2, 3)))
    cosine = head.embed(maps, boxes, first) @ head.embed(exchanged, boxes, first).T
    assert cosine.item() < 0.95


@pytest.mark.parametrize(
    'box',
    [
        [10, 10, 10, 10],
        [50, 50, 20, 20],
        [NAN] * 4,
        [INF] * 4,
        [-INF, 0, INF, 30],
        [-90, -90, -50, -50],
        [1e9, 1e9, 2e9, 2e9],
    ],
    ids=str,
)
def test_degenerate_boxes_have_finite_embeddings(box: list[float]) -> None:
    head = head_of()
    maps = head.read(backbone_maps())
    sound = head.embed(maps, torch.tensor(BOXES[:1]), torch.tensor([1]))
    found = head.embed(maps, torch.tensor([box, BOXES[0]]), torch.tensor([0, 1]))
    assert found.isfinite().all() and found[0].norm().item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(found[1:], sound)


def test_no_boxes_no_embeddings() -> None:
    head = head_of()
    maps = head.read(backbone_maps())
    found = head.embed(maps, torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))
    assert found.shape == (0, 16)
    found.sum().backward()  # still part of the graph


@pytest.mark.parametrize(
    ('in_channels', 'strides'),
    [([6, 8], [4]), ([6, 8], [8, 4]), ([6, 8], [4, 4]), ([], [])],
)
def test_strides_must_fit(in_channels: list[int], strides: list[int]) -> None:
    with pytest.raises(InputError, match='a stride for each input, finest first, got'):
        ReIDHead(in_channels, strides)


@pytest.mark.parametrize('count', [2, 4, 45, 1120])
def test_identity_loss_is_jdes(count: int) -> None:
    head = head_of(embed_dims=8, num_identities=count).double()
    embeddings = units(5)
    identities = torch.tensor([1, 0, -1, count - 1, -1])
    scale = max(math.sqrt(2) * math.log(count - 1), math.sqrt(2))
    assert head.classifier is not None
    logits = scale * embeddings[[0, 1, 3]] @ head.classifier.weight.T + head.classifier.bias
    expected = -logits.log_softmax(1)[range(3), identities[[0, 1, 3]]].mean()
    found = head.loss(embeddings, identities, torch.arange(5))['loss_identity']
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)  # mmdet adds an epsilon to the count


def plain_metric(
    embeddings: Tensor, identities: list[int], instances: list[int], temperature: float
) -> float:
    """Of every anchor with a positive and a negative, by loops."""
    count, losses = len(embeddings), []
    for anchor in range(count):
        cosines: dict[bool, list[float]] = {True: [], False: []}
        for other in range(count):
            if other == anchor:
                continue
            known = identities[anchor] == identities[other] >= 0
            same = known or instances[anchor] == instances[other]
            cosines[same].append(float(embeddings[anchor] @ embeddings[other]))
        pairs = list(product(cosines[True], cosines[False]))
        if pairs:
            losses.append(math.log1p(sum(math.exp((n - p) / temperature) for p, n in pairs)))
    return sum(losses) / len(losses) if losses else 0.0


@given(st.integers(0, 2**32 - 1), st.lists(st.tuples(st.integers(-1, 2), st.integers(0, 3)), max_size=9))
@settings(max_examples=40, deadline=None)
def test_metric_loss_equals_a_plain_loop(seed: int, numbers: list[tuple[int, int]]) -> None:
    head = head_of(embed_dims=8).double()
    embeddings = units(len(numbers), seed=seed).requires_grad_()
    identities, instances = ([pair[i] for pair in numbers] for i in range(2))
    losses = head.loss(embeddings, torch.tensor(identities).long(), torch.tensor(instances).long())
    assert set(losses) == {'loss_metric'}  # nothing to classify
    expected = plain_metric(embeddings.detach(), identities, instances, head.temperature)
    assert losses['loss_metric'].item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    losses['loss_metric'].backward()
    assert embeddings.grad is not None and embeddings.grad.isfinite().all()


def test_metric_loss_equals_mmdets() -> None:
    """Which has no way to leave the comparison with itself out, so that is a column less for each row."""
    head, embeddings, instances = (
        head_of(embed_dims=8).double(),
        units(12),
        torch.tensor([0, 1, 2] * 3 + [3, 4, 5]),
    )
    off_diagonal = ~torch.eye(12, dtype=torch.bool)
    scores = (embeddings @ embeddings.T / head.temperature)[off_diagonal].view(12, 11)
    labels = (instances[:, None] == instances)[off_diagonal].view(12, 11).long()
    loss = MODELS.build(dict(type='mmdet.MultiPosCrossEntropyLoss'))
    found = head.loss(embeddings, torch.full((12,), -1), instances)['loss_metric']
    torch.testing.assert_close(found, loss(scores[:9], labels[:9]))  # the last three are one of a kind


def test_thousands_of_look_alikes_cost_no_square_a_row() -> None:
    embeddings = functional.normalize(torch.randn(4000, 16), dim=1).requires_grad_()
    instances = torch.arange(4000)
    instances[1] = 0
    loss = head_of().loss(embeddings, torch.full((4000,), -1), instances)['loss_metric']
    loss.backward()
    assert loss.isfinite() and embeddings.grad is not None and embeddings.grad.isfinite().all()


@pytest.mark.parametrize(
    ('identities', 'instances'),
    [([], []), ([-1], [0]), ([-1, -1], [0, 0]), ([-1, -1, -1], [0, 1, 2])],
    ids=['no box', 'one box', 'one object twice', 'no object twice'],
)
def test_nothing_to_learn(identities: list[int], instances: list[int]) -> None:
    head = head_of(num_identities=4)
    maps = head.read(backbone_maps())
    boxes = torch.tensor(BOXES)[: len(instances)]
    embeddings = head.embed(maps, boxes, torch.zeros(len(boxes), dtype=torch.long))
    losses = head.loss(embeddings, torch.tensor(identities).long(), torch.tensor(instances).long())
    assert {name: loss.item() for name, loss in losses.items()} == {'loss_metric': 0, 'loss_identity': 0}
    sum(losses.values()).backward()
    # all parameters take part, as processes that train together demand
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and not parameter.grad.any(), name


def test_autocast_costs_the_losses_nothing() -> None:
    head, embeddings = head_of(embed_dims=8, num_identities=9), units(6).float()
    numbers = torch.tensor([0, 0, 1, -1, -1, 8]), torch.tensor([0, 0, 1, 2, 2, 3])
    expected = head.loss(embeddings, *numbers)
    with torch.autocast('cpu', torch.bfloat16):
        found = head.loss(embeddings, *numbers)
    assert {name: loss.item() for name, loss in found.items()} == {n: e.item() for n, e in expected.items()}


def test_an_identity_without_a_class_is_refused() -> None:
    head = head_of(embed_dims=8, num_identities=5).double()
    with pytest.raises(InputError, match=r'has the identity 7, but .* num_identities=5: set it to'):
        head.loss(units(2), torch.tensor([7, -1]), torch.arange(2))


def pyramid(frames: Tensor) -> list[Tensor]:
    """What a backbone would give that keeps the picture: (N, 3, h, w) at strides 4 and 8."""
    scaled = frames.permute(0, 3, 1, 2).float() / 128 - 1
    return [functional.avg_pool2d(scaled, 4), functional.avg_pool2d(scaled, 8)]


def embeddings_of(head: ReIDHead, clip: SyntheticClip, shown: range) -> Tensor:
    """(F, M, D) of all targets in some frames."""
    boxes = torch.from_numpy(clip.boxes[shown]).flatten(0, 1)
    frames = torch.arange(len(shown)).repeat_interleave(clip.boxes.shape[1])
    maps = head.read(pyramid(torch.from_numpy(clip.frames[shown])))
    return head.embed(maps, boxes, frames).unflatten(0, (len(shown), -1))


def test_few_identities_can_be_learnt() -> None:
    """Four objects of random texture, in frames that were not trained on."""
    clip = synthetic_clip(16, size=(128, 192), num_targets=4, target_size=(28, 28), seed=1)
    head = head_of(in_channels=[3, 3], strides=[4, 8], num_identities=4)
    head.train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=3e-3)
    numbers = torch.arange(4).repeat(8)
    totals = []
    for _ in range(60):
        embeddings = embeddings_of(head, clip, range(0, 8)).flatten(0, 1)
        total = sum(head.loss(embeddings, numbers, numbers).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert totals[-1] < totals[0] / 10, totals[::10]
    boxes = torch.from_numpy(clip.boxes)
    clear = (box_iou(boxes[:, :, None], boxes[:, None]) > 0).sum(2) == 1  # hidden by no other
    head.eval()
    with torch.no_grad():
        embeddings = embeddings_of(head, clip, range(16))
    known, held_out = (embeddings[part][clear[part]] for part in (slice(8), slice(8, 16)))
    objects = torch.arange(4).expand(16, 4)
    cosines = held_out @ known.T
    same = objects[8:][clear[8:]][:, None] == objects[:8][clear[:8]]
    assert cosines[same].min() > cosines[~same].max() + 0.1, (cosines[same].min(), cosines[~same].max())
