"""DMTrack's head and tracker: places of the generated convolutions, boxes, losses, gradients, association."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

from mmgtrack.datasets import synthetic_clip
from mmgtrack.errors import InputError
from mmgtrack.models.dm_track import DMTrack, DMTrackState, DynamicFCOSHead
from mmgtrack.models.dm_track.training_objects import TrainingObjects, found_objects
from mmgtrack.models.pairs import Detections
from mmgtrack.structures import Candidates, ClipSample
from tests.trackers import TRACKERS, small_dm_track

FULL = dict(groups=1, pooled=True, project_out=False, act_cfg=dict(type='ReLU'), plain_start=True)
LIMITS = torch.tensor([[64.0, 48, 64, 48]])


def head(*correlations: dict[str, Any], **options: Any) -> DynamicFCOSHead:
    """A thin one on strides 8 and 16, in double precision."""
    torch.manual_seed(0)
    settings = dict(
        num_classes=1,
        in_channels=8,
        feat_channels=8,
        stacked_convs=2,
        strides=[8, 16],
        regress_ranges=((-1, 32), (32, 1e8)),
        center_sampling=True,
        centerness_on_reg=True,
        norm_cfg=dict(type='GN', num_groups=2),
        correlations=correlations,
        test_cfg=ConfigDict(nms_pre=20, score_thr=0.0, nms=dict(iou_threshold=0.5), max_per_img=5),
    )
    made = DynamicFCOSHead(**{**settings, **options})
    made.init_weights()
    for parameter in made.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=1.5 / parameter[0].numel() ** 0.5)
    return made.double().eval()


def maps(frames: int = 2) -> list[Tensor]:
    torch.manual_seed(1)
    return [torch.randn(frames, 8, 6, 8).double(), torch.randn(frames, 8, 3, 4).double()]


def targets(count: int) -> Tensor:
    torch.manual_seed(2)
    return torch.randn(count, 8, 7, 7).double()


PLACES = {
    'published': [
        dict(FULL, place=0),
        dict(FULL, place=2, project_search=True, search_size=1, search_channels=4),
    ],
    'before the second': [dict(FULL, place=1)],
    'behind the last': [dict(FULL, place=2)],
    'everywhere': [dict(FULL, place=n) for n in range(3)],
    'depth-wise': [dict(place=0)],
    'several kernels': [
        dict(type='mmgtrack.MultiKernelCorrelation', place=0, branches=[dict(groups=1), dict(kernel_size=3)])
    ],
    'nowhere': [],
}


@pytest.mark.parametrize('places', PLACES)
def test_pairs_equal_each_target_in_each_frame_alone(places: str) -> None:
    layer, features = head(*PLACES[places]), maps()
    numbers, frames = layer.encode(targets(3)), torch.tensor([1, 0, 1])
    assert numbers.shape == (3, 2, layer.num_numbers)
    together = layer.search(features, numbers, frames)
    for p, frame in enumerate(frames):
        alone = layer.search([x[frame][None] for x in features], numbers[p : p + 1], torch.tensor([0]))
        for found, expected in zip(together, alone, strict=True):
            for level in range(2):
                torch.testing.assert_close(found[level][p : p + 1], expected[level])
    ready = layer.search([x[frames] for x in features], numbers, None)
    torch.testing.assert_close(ready, together)
    if places != 'nowhere':  # the target decides
        assert not torch.allclose(together[0][0][0], together[0][0][2])


@pytest.mark.parametrize(
    'correlations, message',
    [
        ([dict(FULL, place=3)], 'places from 0 to 2, in that order, got .3.'),
        ([dict(FULL, place=1), dict(FULL, place=0)], 'in that order'),
        (
            [dict(FULL, place=0, project_search=True, search_channels=4)],
            'must give 8 channels, as it gets, but the one at place 0 gives 4',
        ),
        ([dict(FULL, place=1), dict(place=1)], 'needs a place of its own, got .1, 1.'),
        ([FULL], 'needs a place of its own, got .None.'),
    ],
)
def test_places_that_cannot_be_are_refused(correlations: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        head(*correlations)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(num_classes=2, target_class=2), 'target_class must be below 2, got 2'),
        (dict(target_class=-1), 'target_class must be below 1, got -1'),
        (dict(scale_start=[8]), 'a number for each of 2 levels, got .8.'),
        (dict(norm_on_bbox=True), 'has no norm_on_bbox: leave it out'),
        (dict(dcn_on_last_conv=True), 'has no dcn_on_last_conv'),
        (dict(conv_cfg=dict(type='mmgtrack.DCNv2')), 'has no conv_cfg'),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        head(**options)


def outputs(scores: Tensor) -> tuple[list[Tensor], ...]:
    """Raw outputs in which every point of stride 8 has these logits (P, classes) and a box of 16 pixels."""
    pairs, classes = scores.shape
    cls = [scores[:, :, None, None].expand(-1, -1, 6, 8), torch.full((pairs, classes, 3, 4), -30.0).double()]
    boxes = [torch.full((pairs, 4, 6, 8), 8.0).double(), torch.full((pairs, 4, 3, 4), 8.0).double()]
    centred = [torch.zeros(pairs, 1, 6, 8).double(), torch.zeros(pairs, 1, 3, 4).double()]
    return cls, boxes, centred


@pytest.mark.parametrize('nms_pre', [20, 1000])
def test_a_frame_with_boxes_of_the_other_class_alone_keeps_the_best_of_the_target(nms_pre: int) -> None:
    """There the published tracker ends with an error."""
    layer = head(*PLACES['published'], num_classes=2, target_class=1)
    layer.test_cfg['nms_pre'] = nms_pre
    scores = torch.tensor([[3.0, -3.0], [-3.0, 3.0]]).double()
    found = layer.detect(outputs(scores), LIMITS.expand(2, 4))
    assert found.valid[0].tolist() == [True] + [False] * 4
    assert found.scores[0, 0].item() == pytest.approx(0.5 / (1 + np.exp(3)))
    assert found.valid[1].all() and (found.scores[1] == found.scores[1, 0]).all()


def test_numbers_that_are_not_finite_are_no_boxes() -> None:
    layer = head(*PLACES['published'])
    broken = outputs(torch.tensor([[float('nan')], [2.0]]).double())
    broken[1][0][1, :, 0, 0] = float('inf')
    found = layer.detect(broken, LIMITS.expand(2, 4))
    assert (found.scores[0] < 1e-12).all()  # but for the coarse level, which is sure that there is nothing
    assert found.boxes[found.valid].isfinite().all() and found.valid[1, 0]


def truth(*box: float) -> InstanceData:
    boxes = torch.tensor([box] if box else []).reshape(-1, 4).double()
    return InstanceData(bboxes=boxes, labels=torch.zeros(len(boxes), dtype=torch.long))


def test_the_loss_is_the_mean_of_each_targets_own() -> None:
    layer, features = head(*PLACES['published']).float(), [x.float() for x in maps()]
    truths = [truth(4, 4, 30, 30), truth(), truth(20, 10, 60, 46)]
    truths = [InstanceData(bboxes=t.bboxes.float(), labels=t.labels) for t in truths]
    numbers, frames = layer.encode(targets(3).float()), torch.tensor([0, 0, 1])
    shares = torch.tensor([0.25, 0.25, 0.5])
    together = layer.loss_of_pairs(layer.search(features, numbers, frames), truths, shares)
    alone = [
        layer.loss_of_pairs(
            layer.search(features, numbers[p : p + 1], frames[p : p + 1]), truths[p : p + 1], torch.ones(1)
        )
        for p in range(3)
    ]
    for name, value in together.items():
        expected = sum(s * part[name] for s, part in zip(shares, alone, strict=True))
        torch.testing.assert_close(value, expected)
    assert alone[1]['loss_bbox'] == alone[1]['loss_centerness'] == 0 < alone[1]['loss_cls']


def sample_batch(count: int = 2) -> tuple[dict[str, list[Tensor]], list[ClipSample]]:
    """Pairs of frames of one synthetic clip with three targets each."""
    clip = synthetic_clip(num_frames=2, size=(64, 96), num_targets=3, seed=3)
    samples = []
    for _ in range(count):
        sample = ClipSample()
        rows = {'query': clip.boxes[0], 'search': clip.boxes[1]}
        sample.instances = {
            role: InstanceData(
                bboxes=torch.from_numpy(boxes), ids=torch.arange(3), labels=torch.zeros(3, dtype=torch.long)
            )
            for role, boxes in rows.items()
        }
        sample.set_metainfo({'img_shape': {'query': (64, 96), 'search': (64, 96)}})
        samples.append(sample)
    images = {
        role: [torch.from_numpy(clip.frames[n]).permute(2, 0, 1)] * count
        for n, role in enumerate(('query', 'search'))
    }
    return images, samples


def batch_of(tracker: DMTrack) -> dict[str, Any]:
    images, samples = sample_batch()
    return tracker.data_preprocessor({'inputs': images, 'data_samples': samples}, training=True)


def test_the_gradient_reaches_every_part_and_both_images() -> None:
    tracker = small_dm_track().train()
    losses = tracker(**batch_of(tracker), mode='loss')
    assert set(losses) == {
        'loss_tasks',
        *(f'part_{n}' for n in ('cls', 'bbox', 'centerness', 'metric', 'identity')),
    }
    loss, logged = tracker.parse_losses(losses)
    assert torch.isfinite(loss) and logged['loss'] == losses['loss_tasks']
    loss.backward()
    without = [
        name
        for name, parameter in tracker.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not parameter.grad.abs().sum() > 0)
    ]
    # no target of this size is on the coarse levels, and the classes are for identities that are not known
    allowed = ('bbox_head.scales', 're_id_head.classifier')
    assert [name for name in without if not name.startswith(allowed)] == []


def test_detection_alone_can_be_trained() -> None:
    tracker = small_dm_track(**{'model.re_id_head': None}).train()
    losses = tracker(**batch_of(tracker), mode='loss')
    assert set(losses) == {'loss_cls', 'loss_bbox', 'loss_centerness'}


def test_what_the_detector_takes_for_a_target_is_sorted_into_same_and_other() -> None:
    box = torch.tensor([[10.0, 10, 30, 30], [60, 10, 80, 30]])
    annotated = TrainingObjects(box, torch.tensor([0, 0]), torch.tensor([7, -1]), torch.tensor([100, 101]))
    rows = [
        [11, 11, 31, 31],  # the target
        [60, 10, 80, 30],  # the other annotated object
        [12, 12, 18, 18],  # a part of the target
        [100, 40, 120, 60],  # something else
        [14, 14, 40, 40],  # half of it
        [100, 40, 121, 60],  # not valid
    ]
    found = Detections(torch.tensor([rows]).float(), torch.ones(1, 6), torch.tensor([[True] * 5 + [False]]))
    objects = found_objects(found, torch.tensor([0]), annotated, torch.tensor([100]))
    assert objects.boxes[:, 0].tolist() == [11, 100]
    assert objects.instances[0] == 100 and objects.instances[1] < 0
    assert objects.identities.tolist() == [7, -1]
    nothing = TrainingObjects(box[:0], *(torch.zeros(0, dtype=torch.long) for _ in range(3)))
    absent = found_objects(found, torch.tensor([0]), nothing, torch.tensor([100]))
    assert (
        len(absent.boxes) == 5
        and len(set(absent.instances.tolist())) == 5
        and (absent.identities == -1).all()
    )


def test_kernels_are_made_once_and_do_not_depend_on_the_search_frame() -> None:
    tracker = small_dm_track()
    clip = synthetic_clip(num_frames=4, size=(48, 64), num_targets=2, seed=1)
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    calls = []
    tracker.bbox_head.level_convs[0].register_forward_hook(lambda *args: calls.append(args))
    _, after = tracker.track(list(clip.frames[1:]), state)
    assert not calls and torch.equal(after.kernels, state.kernels)
    assert state.kernels.shape[:2] == (2, 3)
    torch.testing.assert_close(state.templates.norm(dim=1), torch.ones(2))


@pytest.mark.parametrize('name', ['dm_track', 'dm_track_fast', 'dm_track_neck', 'dm_track_without_looks'])
def test_the_contract_test_meets_association(name: str) -> None:
    """With the published prior of 0.01 no candidate would count, and every rule would hold for nothing."""
    tracker = TRACKERS[name]()
    clip = synthetic_clip(num_frames=8, size=(48, 64), num_targets=3, seed=1)
    tracks, state = tracker.track(list(clip.frames[1:]), tracker.encode(clip.frames[0], clip.boxes[0]))
    assert isinstance(state, DMTrackState) and (tracks.scores > 0).all()
    assert all(len(leaves[0]) > 10 for leaves in state.tracklets)
    assert len(tracks.boxes.flatten(0, 1).unique(dim=0)) > 10


def candidates(count: int, seed: int = 0, frames: int = 3) -> Candidates:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 200, (frames, 1, count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, corners.shape)], 3)
    scores = -np.sort(-rng.uniform(0, 1, (frames, 1, count)), axis=2)
    looks = rng.standard_normal((frames, 1, count, 16))
    looks /= np.linalg.norm(looks, axis=3, keepdims=True)
    leaves = (torch.from_numpy(leaf) for leaf in (boxes, scores, np.ones(scores.shape, dtype=bool), looks))
    return Candidates(*leaves)


@pytest.mark.parametrize(
    'change', ['none', 'one', 'thousands', 'nan embeddings', 'equal embeddings', 'nan scores']
)
def test_association_takes_whatever_the_detector_gives(change: str) -> None:
    tracker = small_dm_track()
    clip = synthetic_clip(num_frames=1, size=(48, 64), seed=1)
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    found = candidates({'none': 0, 'one': 1, 'thousands': 2000}.get(change, 20))
    assert found.embeddings is not None
    if change == 'nan embeddings':
        found.embeddings[:] = float('nan')
    if change == 'equal embeddings':
        found.embeddings[:] = found.embeddings[0, 0, 0]
    if change == 'nan scores':
        found.scores[:] = float('nan')
    before = copy.deepcopy(state)
    tracks, after = tracker.associate(found, state)
    assert tracks.boxes.shape == (3, 1, 4) and tracks.boxes.isfinite().all()
    assert ((tracks.scores >= 0) & (tracks.scores <= 1)).all() and after.age.tolist() == [3]
    torch.testing.assert_close(before.tracklets, state.tracklets)
    if change in ('none', 'nan scores'):
        assert (tracks.scores == 0).all() and torch.equal(tracks.boxes[-1], state.boxes)


def test_a_thousand_frames_without_the_target() -> None:
    tracker = small_dm_track()
    clip = synthetic_clip(num_frames=1, size=(48, 64), seed=1)
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    tracks, after = tracker.associate(candidates(0, frames=1000), state)
    assert after.age.tolist() == [1000] and not tracks.present.any()
    assert torch.equal(tracks.boxes, state.boxes[None].expand(1000, 1, 4))
    again, _ = tracker.associate(candidates(5), after)
    assert again.boxes.isfinite().all()


def test_two_targets_that_exclude_each_other_have_different_detections() -> None:
    """Each is the other's distractor: without exclusion both may take the same box."""
    tracker = small_dm_track(**{'model.exclusive': True})
    clip = synthetic_clip(num_frames=1, size=(48, 64), num_targets=2, seed=1)
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    box, look = state.boxes[0].double(), state.templates.double()
    scores = torch.tensor([[[0.9], [0.8]]]).double()
    one = Candidates(
        box.expand(1, 2, 1, 4), scores, torch.ones(1, 2, 1, dtype=torch.bool), look[0].expand(1, 2, 1, 16)
    )
    tracks, _ = tracker.associate(one, state)
    assert tracks.scores[0, 0] > 0 and torch.equal(tracks.boxes[0, 0], box.to(tracks.boxes.dtype))
    assert tracks.scores[0, 1] < tracks.scores[0, 0]


@pytest.mark.parametrize('places', PLACES)
@pytest.mark.parametrize('depthwise', [False, True])
@pytest.mark.parametrize('norm', ['BN', 'GN'])
def test_both_branches_at_once_compute_what_each_does(places: str, depthwise: bool, norm: str) -> None:
    norm_cfg = dict(type='BN') if norm == 'BN' else dict(type='GN', num_groups=2)
    layer, features = head(*PLACES[places], depthwise=depthwise, norm_cfg=norm_cfg), maps()
    for module in layer.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after some training
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
            torch.nn.init.normal_(module.running_mean)
    numbers, frames = layer.encode(targets(3)), torch.tensor([1, 0, 1])
    plain = layer.search(features, numbers, frames)
    layer.fold()
    full = places not in ('depth-wise', 'several kernels')
    assert (layer.twins is not None) == (full and norm == 'BN')
    torch.testing.assert_close(layer.search(features, numbers, frames), plain)
    one = layer.search([x[:1] for x in features], numbers, torch.zeros(3, dtype=torch.long))
    layer.twins = None
    torch.testing.assert_close(
        one, layer.search([x[:1] for x in features], numbers, torch.zeros(3, dtype=torch.long))
    )
