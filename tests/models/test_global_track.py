"""GlobalTrack: losses, proposals, and that it stays its detector."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmgtrack.datasets.synthetic import synthetic_clip
from mmgtrack.geometry import box_iou
from mmgtrack.models.data_preprocessor import View
from mmgtrack.models.global_track import GlobalTrack
from mmgtrack.registry import MODELS
from mmgtrack.structures import ClipSample
from tests.trackers import CONFIGS, small_global_track


@pytest.fixture(scope='module')
def tracker() -> Iterator[GlobalTrack]:
    yield small_global_track().double()


def pair(seed: int, num_targets: int, absent: tuple[int, ...] = ()) -> tuple[dict, ClipSample]:
    """Query and search image (64, 96) of a synthetic clip as a collated batch of one would hold them."""
    clip = synthetic_clip(num_frames=2, size=(64, 96), num_targets=num_targets, seed=seed)
    sample = ClipSample()
    instances = {}
    for role, frame in (('query', 0), ('search', 1)):
        ids = [m for m in range(num_targets) if role == 'query' or m not in absent]
        instances[role] = InstanceData(
            bboxes=torch.from_numpy(np.asarray(clip.boxes[frame, ids], dtype=np.float32)),
            ids=torch.tensor(ids, dtype=torch.long),
            labels=torch.zeros(len(ids), dtype=torch.long),
        )
    sample.instances = instances
    sample.set_metainfo({'img_shape': {'query': (64, 96), 'search': (64, 96)}})
    images = {
        role: torch.from_numpy(clip.frames[frame]).permute(2, 0, 1)
        for role, frame in (('query', 0), ('search', 1))
    }
    return images, sample


def only_target(sample: ClipSample, target: int) -> ClipSample:
    alone = sample.clone()
    alone.instances = {role: inst[inst.ids == target] for role, inst in sample.instances.items()}
    return alone


def losses(tracker: GlobalTrack, pairs: list[tuple[dict, ClipSample]]) -> dict[str, float]:
    inputs = {role: [images[role] for images, _ in pairs] for role in ('query', 'search')}
    data = tracker.data_preprocessor({'inputs': inputs, 'data_samples': [s for _, s in pairs]}, True)
    torch.manual_seed(0)
    found = tracker(**data, mode='loss')
    return {k: (sum(v) if isinstance(v, list) else v).item() for k, v in found.items()}


def test_cross_query_loss_is_the_mean_over_queries(tracker: GlobalTrack) -> None:
    """Eq. 6, with RoI sampling switched off so that both sides see the same boxes."""
    sampler, tracker.roi_head.bbox_sampler.num = tracker.roi_head.bbox_sampler.num, 10**6
    try:
        images, sample = pair(3, num_targets=3)
        together = losses(tracker, [(images, sample)])
        alone = [losses(tracker, [(images, only_target(sample, t))]) for t in range(3)]
    finally:
        tracker.roi_head.bbox_sampler.num = sampler
    for name in ('loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox'):
        assert together[name] == pytest.approx(np.mean([a[name] for a in alone]), rel=1e-5), name


def test_every_pair_weighs_the_same(tracker: GlobalTrack) -> None:
    """A batch's loss is the mean over its pairs of each pair's own loss, whatever M is."""
    sampler, tracker.roi_head.bbox_sampler.num = tracker.roi_head.bbox_sampler.num, 10**6
    try:
        one, three = pair(4, num_targets=1), pair(5, num_targets=3)
        together = losses(tracker, [one, three])
        alone = [losses(tracker, [one]), losses(tracker, [three])]
    finally:
        tracker.roi_head.bbox_sampler.num = sampler
    for name in ('loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox'):
        assert together[name] == pytest.approx(np.mean([a[name] for a in alone]), rel=1e-5), name


def test_an_absent_target_has_no_box_loss(tracker: GlobalTrack) -> None:
    found = losses(tracker, [pair(6, num_targets=2, absent=(0, 1))])
    assert found['loss_rpn_bbox'] == 0 and found['loss_bbox'] == 0
    assert found['loss_rpn_cls'] > 0 and found['loss_cls'] > 0


def test_the_backbone_sees_each_image_once_in_training(tracker: GlobalTrack) -> None:
    calls = []
    handle = tracker.backbone.conv1.register_forward_hook(lambda m, a, o: calls.append(len(a[0])))
    losses(tracker, [pair(7, num_targets=3), pair(8, num_targets=2)])
    handle.remove()
    assert calls == [2, 2]  # two search images, two query images


@pytest.mark.parametrize('inclusive', [False, True])
def test_predict_equals_track(tracker: GlobalTrack, inclusive: bool) -> None:
    images, sample = pair(9, num_targets=2)
    frames = {role: image.permute(1, 2, 0).numpy() for role, image in images.items()}
    boxes = sample.instances['query'].bboxes
    tracker.inclusive_pixels = inclusive
    try:
        expected, _ = tracker.track([frames['search']], tracker.encode(frames['query'], boxes))
        inputs = {role: [image] for role, image in images.items()}
        data = tracker.data_preprocessor({'inputs': inputs, 'data_samples': [sample]})
        (found,) = tracker(**data, mode='predict')
    finally:
        tracker.inclusive_pixels = False
    torch.testing.assert_close(found.boxes, expected.boxes)
    torch.testing.assert_close(found.scores, expected.scores)


def test_an_inclusive_box_of_less_than_a_pixel_keeps_its_place(tracker: GlobalTrack) -> None:
    """Official code moves the end to the start; a negative size would belong to no level."""
    view = View(torch.zeros(3, 64, 96), (20, 30), (3.2, 3.2))
    tracker.inclusive_pixels = True
    try:
        box = tracker.to_network(torch.tensor([[10.0, 10.0, 10.5, 15.0]]), view)
    finally:
        tracker.inclusive_pixels = False
    torch.testing.assert_close(box, torch.tensor([[32.0, 32.0, 32.0, 44.8]]))


@pytest.mark.parametrize('flip', [False, True])
def test_inclusive_training_boxes_are_those_of_the_official_order(tracker: GlobalTrack, flip: bool) -> None:
    """x, y, w, h of the file: last pixel off, scaled, then mirrored about the last pixel of the image."""
    scale, width = 2.5, 200  # of the resized image
    x, y, w, h = 10.0, 12.0, 20.0, 8.0
    official = np.array([x, y, x + w - 1, y + h - 1]) * scale
    ours = np.array([x, y, x + w, y + h]) * scale
    if flip:
        official[[0, 2]] = width - 1 - official[[2, 0]]
        ours[[0, 2]] = width - ours[[2, 0]]
    sample = ClipSample()
    boxes = torch.from_numpy(ours.astype(np.float32))[None]
    sample.instances = {'search': InstanceData(bboxes=boxes, ids=torch.zeros(1, dtype=torch.long))}
    sample.set_metainfo({'scale': {'search': scale}, 'flip': {'search': flip}})
    tracker.inclusive_pixels = True
    try:
        found = tracker.role_boxes(sample, 'search')
    finally:
        tracker.inclusive_pixels = False
    np.testing.assert_allclose(found[0].numpy(), official, atol=1e-4)


def test_candidates_are_sorted_clipped_and_distinct(tracker: GlobalTrack) -> None:
    clip = synthetic_clip(num_frames=3, size=(64, 96), num_targets=2, seed=10)
    state = tracker.encode(clip.frames[0], clip.boxes[0])
    found = tracker.candidates(list(clip.frames[1:]), state)
    assert (found.scores.diff(dim=2)[found.valid[..., 1:]] <= 0).all()
    boxes = found.boxes[found.valid]
    limit = boxes.new_tensor([96, 64, 96, 64])
    assert (boxes >= 0).all() and (boxes <= limit).all()
    first = found.boxes[0, 0][found.valid[0, 0]]
    overlap = box_iou(first[:, None], first[None])
    overlap.fill_diagonal_(0)
    assert overlap.max() <= 0.5  # test_cfg.rcnn.nms.iou_threshold


def test_detector_keys_stay_the_detectors_own() -> None:
    """A zoo Faster R-CNN fits but for the last layers, whose number of classes differs."""
    init_default_scope('mmdet')
    ours = Config.fromfile(CONFIGS / 'globaltrack_r50.py').model
    ours.backbone.init_cfg = None
    tracker = MODELS.build(ours)
    zoo = Config.fromstring("_base_ = 'mmdet::_base_/models/faster-rcnn_r50_fpn.py'", '.py').model
    zoo.backbone.init_cfg = None
    detector = MODELS.build(dict(zoo, type='mmdet.FasterRCNN'))
    weights, own = detector.state_dict(), tracker.state_dict()
    assert set(weights) <= set(own)
    misfits = {k for k, v in weights.items() if own[k].shape != v.shape}
    last = 'roi_head.bbox_head.fc_'
    assert misfits == {f'{last}{part}.{kind}' for part in ('cls', 'reg') for kind in ('weight', 'bias')}
    new = set(own) - set(weights)
    assert {k.split('.')[1] for k in new} == {'correlations', 'modulator'}
    with torch.no_grad():
        tracker.load_state_dict({k: v for k, v in weights.items() if k not in misfits}, strict=False)
    assert torch.equal(tracker.neck.fpn_convs[0].conv.weight, detector.neck.fpn_convs[0].conv.weight)


def test_two_frames_can_be_learnt() -> None:
    """The loss falls tenfold and the tracked box reaches IoU > 0.8 on the frames trained on."""
    tracker = small_global_track(
        spread=False,
        **{
            'model.backbone.widen_factor': 0.5,
            'model.neck.in_channels': [16, 16, 48, 80],
            'model.neck.out_channels': 32,
            'model.rpn_head.in_channels': 32,
            'model.rpn_head.feat_channels': 32,
            'model.roi_head.bbox_roi_extractor.out_channels': 32,
            'model.roi_head.bbox_head.in_channels': 32,
            'model.backbone.frozen_stages': -1,
        },
    )
    images, sample = pair(12, num_targets=2)
    inputs = {role: [image] for role, image in images.items()}
    tracker.train()
    steps = 420
    optimizer = torch.optim.AdamW(tracker.parameters(), weight_decay=0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    totals = []
    for step in range(steps):
        torch.manual_seed(step)
        data = tracker.data_preprocessor({'inputs': inputs, 'data_samples': [sample]}, True)
        total, _ = tracker.parse_losses(tracker(**data, mode='loss'))
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(tracker.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        totals.append(total.item())
    tracker.eval()
    frames = {role: image.permute(1, 2, 0).numpy() for role, image in images.items()}
    state = tracker.encode(frames['query'], sample.instances['query'].bboxes)
    tracks, _ = tracker.track([frames['query'], frames['search']], state)
    truth = torch.stack([sample.instances[role].bboxes for role in ('query', 'search')])
    assert np.mean(totals[-5:]) < totals[0] / 10, totals[::20]
    assert (box_iou(tracks.boxes[1], truth[1]) > 0.8).all(), tracks.boxes
