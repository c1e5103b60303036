"""STARK beyond the recorded cases: dynamic templates, shared work, odd targets, stages of training."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.structures import InstanceData
from torch import Tensor

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.apis.calibrate import collect_scores
from mmgtrack.datasets import SequenceFolder
from mmgtrack.datasets.synthetic import SyntheticClip, synthetic_clip, write_sequence
from mmgtrack.errors import InputError
from mmgtrack.evaluation import fit_calibration
from mmgtrack.geometry import WindowRule, box_iou, crop_image
from mmgtrack.models.fast_path import speed_up
from mmgtrack.models.stark import Corners, Stark, StarkState, peak_score, soft_argmax
from mmgtrack.models.stark.losses import StarkLoss
from mmgtrack.structures import ClipSample, State
from tests.trackers import SMALL_STARK, small_stark

CLIP = synthetic_clip(num_frames=9, size=(120, 160), num_targets=3, seed=1)
FRAMES, BOXES = list(CLIP.frames), CLIP.boxes[0].astype(np.float64)
TEMPLATE, SEARCH = WindowRule(2, 48), WindowRule(5, 112)


# ---- tracking --------------------------------------------------------------------------------------


def changed(before: StarkState, after: StarkState) -> list[list[bool]]:
    """For each target: which of its templates are new."""
    return (before.templates != after.templates).flatten(2).any(2).tolist()


def trusting(tracker: Stark, *scores: float) -> Stark:
    """Scores of the targets, in the place of what the score head says."""

    def say(prediction: Any) -> Tensor:
        return torch.tensor(scores, dtype=prediction.corners.boxes.dtype)

    tracker.score = say  # type: ignore[method-assign]
    return tracker


def test_dynamic_templates_are_updated_by_each_targets_own_clock() -> None:
    tracker = trusting(small_stark(), 0.9, 0.9)
    early = tracker.encode(FRAMES[0], BOXES[:1])
    tracker.score = lambda prediction: torch.tensor([0.9])  # type: ignore[method-assign]
    _, early = tracker.track(FRAMES[1:2], early)
    state = early.add(tracker.encode(FRAMES[1], BOXES[1:2]))
    trusting(tracker, 0.9, 0.9)
    seen = []
    for frame in FRAMES[2:6]:
        _, after = tracker.track([frame], state)
        seen.append(changed(state, after))
        state = after
    # every second frame of its own; the first template never
    once, never = [False, True], [False, False]
    assert seen == [[once, never], [never, once], [once, never], [never, once]]


@pytest.mark.parametrize(('score', 'updated'), [(0.5, False), (0.50001, True), (float('nan'), False)])
def test_a_template_is_taken_above_the_score_only(score: float, updated: bool) -> None:
    tracker = trusting(small_stark(**{'model.test_cfg.update_intervals': [1]}), score)
    state = tracker.encode(FRAMES[0], BOXES[:1])
    _, after = tracker.track(FRAMES[1:2], state)
    assert changed(state, after) == [[False, updated]]


def test_a_template_is_taken_at_the_new_box() -> None:
    tracker = trusting(small_stark(**{'model.test_cfg.update_intervals': [1]}), 0.9)
    state = tracker.encode(FRAMES[0], BOXES[:1])
    tracks, after = tracker.track(FRAMES[3:4], state)
    anew = tracker.encode(FRAMES[3], after.boxes)
    torch.testing.assert_close(after.templates[:, 1], anew.templates[:, 0])
    torch.testing.assert_close(after.boxes.float(), tracks.boxes[0])


def test_without_a_score_head_templates_are_updated_unasked() -> None:
    tracker = small_stark('stark_st50_stage1', **{'model.score_head': None})
    assert tracker.score_head is None
    state = tracker.encode(FRAMES[0], BOXES)
    _, one = tracker.track(FRAMES[1:2], state)
    _, two = tracker.track(FRAMES[2:3], one)
    assert changed(state, one) == [[False, False]] * 3
    assert changed(one, two) == [[False, True]] * 3


def test_several_dynamic_templates_have_an_interval_each() -> None:
    intervals = {'model.num_templates': 3, 'model.test_cfg.update_intervals': [2, 3]}
    tracker = trusting(small_stark(**intervals), 0.9)
    state, seen = tracker.encode(FRAMES[0], BOXES[:1]), []
    for frame in FRAMES[1:7]:
        _, after = tracker.track([frame], state)
        seen.append(changed(state, after)[0][1:])
        state = after
    assert seen == [[False, False], [True, False], [False, True], [True, False], [False, False], [True, True]]


def test_work_is_shared_and_templates_are_computed_once() -> None:
    """One pass a frame for all targets of all videos; a template's features when it changes, never again."""
    tracker = trusting(small_stark(), 0.9, 0.9, 0.9, 0.9)
    calls: dict[str, list[int]] = {}
    for name in ('backbone', 'transformer.encoder', 'box_head', 'score_head'):
        tracker.get_submodule(name).register_forward_hook(
            lambda module, args, kwargs, out, name=name: calls.setdefault(name, []).append(
                len(args[0] if args else kwargs['query'])
            ),
            with_kwargs=True,
        )
    many, one = tracker.encode(FRAMES[0], BOXES), tracker.encode(FRAMES[0], BOXES[:1])
    assert calls == {'backbone': [3, 1]}  # the templates of each call to encode
    calls.clear()
    tracker.track_many([(FRAMES[1:4], many), (FRAMES[4:7], one)])
    assert calls['backbone'] == [4, 4, 4, 4]  # three frames, and the update after the second
    assert calls['transformer.encoder'] == calls['box_head'] == calls['score_head'] == [4, 4, 4]


@pytest.mark.parametrize(
    'boxes',
    [
        [[20.0, 20, 20.1, 20.1]],  # a window of one pixel
        [[-5.0, -5, 2, 2]],  # most of it outside
        [[0.0, 0, 160, 120]],  # the whole frame
        [[10.0, 10, 150, 12]],
    ],
)
def test_odd_targets(boxes: list) -> None:
    tracker = small_stark()
    tracks, _ = tracker.track(FRAMES[1:], tracker.encode(FRAMES[0], boxes))
    assert tracks.boxes.isfinite().all() and tracks.scores.isfinite().all()
    sides = tracks.boxes[..., 2:] - tracks.boxes[..., :2]
    assert (sides >= 10 - 1e-3).all()  # official clip margin
    assert (tracks.boxes[..., :2] <= torch.tensor([150.0, 110.0])).all()
    assert (tracks.boxes[..., 2:] >= 10 - 1e-3).all()


def test_a_target_that_has_left_the_frame() -> None:
    """Its window shows nothing; the box stays at the border, and the tracker goes on."""
    tracker = small_stark()
    state = tracker.encode(FRAMES[0], BOXES[:1])
    gone = replace(state, boxes=state.boxes + 5000)
    tracks, after = tracker.track(FRAMES[1:3], gone)
    assert tracks.boxes.isfinite().all() and tracks.scores.isfinite().all()
    assert (tracks.boxes[..., :2] <= torch.tensor([150.0, 110.0])).all()
    assert after.boxes.isfinite().all()


def test_a_frame_smaller_than_the_template() -> None:
    tracker = small_stark()
    small = [np.ascontiguousarray(frame[:6, :8]) for frame in FRAMES]
    tracks, _ = tracker.track(small[1:], tracker.encode(small[0], [[1.0, 1, 5, 4]]))
    assert tracks.boxes.isfinite().all()
    assert (tracks.boxes[..., 2] <= 8).all() and (tracks.boxes[..., 3] <= 6).all()


def test_a_window_without_any_picture_is_looked_at_as_it_is() -> None:
    tracker = small_stark()
    images = torch.zeros(2, 3, 112, 112)
    padding = torch.ones(2, 112, 112, dtype=torch.bool)
    padding[1, :, :56] = False
    tokens = tracker.extract(images, padding, tracker.search_positions)
    assert not tokens.padding[0].any()  # attention to nothing would be no number
    assert tokens.padding[1].sum() == 7 * 3  # columns 64, 80 and 96 of 112


# ---- heads -----------------------------------------------------------------------------------------


def test_the_score_of_peaks() -> None:
    sharp = torch.full((1, 2, 20, 20), -50.0)
    sharp[0, :, 7, 9] = 50
    flat = torch.zeros(1, 2, 20, 20)
    two = sharp.clone()
    two[0, 1, 2, 2] = 50  # the lower right corner is torn between two places
    torch.testing.assert_close(
        peak_score(torch.cat([sharp, flat, two])), torch.tensor([1, 9 / 400, 0.5**0.5])
    )


def test_corners_stay_in_single_precision_under_autocast() -> None:
    maps = torch.randn(2, 2, 20, 20, generator=torch.Generator().manual_seed(0)) * 3
    with torch.autocast('cpu', torch.bfloat16):
        boxes = soft_argmax(maps, 0.0)
    assert boxes.dtype == torch.float32
    torch.testing.assert_close(boxes, soft_argmax(maps, 0.0), rtol=0, atol=1e-6)


# ---- training --------------------------------------------------------------------------------------


def batch_of(pairs: Sequence[tuple[int, int]], present: Sequence[bool] | None = None) -> tuple[dict, list]:
    """Samples from (template frame, search frame) of the first target, the search region off centre."""
    images: dict[str, list[Tensor]] = {'template': [], 'dynamic_template': [], 'search': []}
    samples = []
    for number, (first, second) in enumerate(pairs):
        where = {'template': first, 'dynamic_template': first, 'search': second}
        sample, masks = ClipSample(), {}
        for role, frame in where.items():
            rule = SEARCH if role == 'search' else TEMPLATE
            box = torch.from_numpy(CLIP.boxes[frame, 0].astype(np.float64))[None]
            if role == 'search':
                box = box + 6
            place = tuple(rule.windows(box)[0].tolist())
            crop, padding = crop_image(FRAMES[frame], place, rule.size)
            images[role].append(torch.from_numpy(crop).permute(2, 0, 1))
            masks[role] = torch.from_numpy(padding)
        corner = np.array([place[0], place[1]] * 2)
        truth = torch.from_numpy((CLIP.boxes[second, 0] - corner) * 112 / place[2]).float()[None]
        shown = present is None or present[number]
        sample.instances = {'search': InstanceData(bboxes=truth[: int(shown)], ids=torch.zeros(int(shown)))}
        sample.masks = masks
        sample.set_metainfo({'img_shape': {'search': (112, 112)}})
        samples.append(sample)
    return images, samples


def prepared(tracker: Stark, batch: tuple[dict, list]) -> tuple[dict, list]:
    inputs = {role: images for role, images in batch[0].items() if role != 'dynamic_template'}
    data = tracker.data_preprocessor(
        {'inputs': batch[0] if tracker.num_templates == 2 else inputs, 'data_samples': batch[1]}
    )
    return data['inputs'], data['data_samples']


def test_two_frames_can_be_learnt() -> None:
    """From the other frame's template, the box of each to an IoU above 0.9."""
    tracker = small_stark('stark_st50_stage1', **{'model.backbone.norm_cfg': dict(type='BN')})
    tracker.train()
    inputs, samples = prepared(tracker, batch_of([(0, 6), (6, 0)]))
    optimizer = torch.optim.AdamW(tracker.parameters(), lr=2e-3)
    for _ in range(250):
        losses = tracker.loss(inputs, samples)
        optimizer.zero_grad()
        (losses['loss_giou'] + losses['loss_l1']).backward()
        torch.nn.utils.clip_grad_norm_(tracker.parameters(), 1.0)
        optimizer.step()
    tracker.eval()
    found = torch.cat([track.boxes[0] for track in tracker.predict(inputs, samples)])
    truths = torch.cat([sample.instances['search'].bboxes for sample in samples])
    assert (box_iou(found, truths) > 0.9).all()


def test_the_second_stage_changes_no_bit_outside_the_score_head() -> None:
    """Not by gradients, not by weight decay, not by running statistics; dropout is active all the same."""
    tracker = small_stark('stark_st50_stage2', **{'model.backbone.norm_cfg': dict(type='BN')})
    before = {name: value.clone() for name, value in tracker.state_dict().items()}
    optimizer = dict(type='AdamW', lr=1e-2, weight_decay=0.1)
    wrapper = build_optim_wrapper(tracker, dict(optimizer=optimizer, clip_grad=dict(max_norm=0.1)))
    tracker.train()
    inputs, samples = prepared(tracker, batch_of([(0, 6), (6, 0)], present=[True, False]))
    logits = []
    tracker.score_head.register_forward_hook(lambda module, args, out: logits.append(out.detach()))
    for _ in range(3):
        losses = tracker.loss(inputs, samples)
        assert set(losses) == {'loss_score', 'score_accuracy'}
        wrapper.update_params(losses['loss_score'])
    differing = {name for name, value in tracker.state_dict().items() if not torch.equal(value, before[name])}
    assert differing and all(name.startswith('score_head.') for name in differing)
    learning = {name for name, parameter in tracker.named_parameters() if parameter.requires_grad}
    assert learning == {name for name in before if name.startswith('score_head.')}
    with torch.no_grad():
        again = [tracker.loss(inputs, samples) for _ in range(2)]
    assert again[0]['loss_score'] != again[1]['loss_score']  # dropout of the frozen transformer


def test_a_joint_stage_trains_boxes_where_the_target_is() -> None:
    tracker = small_stark('stark_st50_stage2', **{'model.train_cfg.stage': 'joint'})
    tracker.train()
    inputs, samples = prepared(tracker, batch_of([(0, 6), (6, 0)], present=[True, False]))
    losses = tracker.loss(inputs, samples)
    assert set(losses) == {'loss_giou', 'loss_l1', 'iou', 'loss_score', 'score_accuracy'}
    sum(value for name, value in losses.items() if name.startswith('loss')).backward()
    learning = {name for name, parameter in tracker.named_parameters() if parameter.requires_grad}
    touched = {name for name, parameter in tracker.named_parameters() if parameter.grad is not None}
    assert learning == touched
    inputs, samples = prepared(tracker, batch_of([(0, 6)], present=[False]))
    losses = tracker.loss(inputs, samples)
    assert losses['loss_giou'] == losses['loss_l1'] == losses['iou'] == 0


@pytest.mark.parametrize(
    ('kind', 'device'),
    [
        ('OptimWrapper', 'cpu'),
        ('mmgtrack.CPUAmpOptimWrapper', 'cpu'),
        pytest.param(
            'AmpOptimWrapper',
            'cuda',
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device'),
            ],
        ),
    ],
)
def test_gradients_are_clipped(kind: str, device: str) -> None:
    """What reaches the optimiser has the norm that the config names, with mixed precision too."""
    tracker = small_stark('stark_st50_stage1').to(device)
    clip = dict(max_norm=0.1, norm_type=2)
    wrapper = build_optim_wrapper(
        tracker, dict(type=kind, optimizer=dict(type='AdamW', lr=1e-4), clip_grad=clip)
    )
    norms = []

    def measure(optimizer: Any, args: Any, kwargs: Any) -> None:
        grads = [p.grad for group in optimizer.param_groups for p in group['params'] if p.grad is not None]
        norms.append(torch.stack([grad.norm() for grad in grads]).norm().item())

    wrapper.optimizer.register_step_pre_hook(measure)
    tracker.train()
    inputs, samples = prepared(tracker, batch_of([(0, 6), (6, 0)]))
    with wrapper.optim_context(tracker):
        losses = tracker.loss(inputs, samples)
    learning = [parameter for parameter in tracker.parameters() if parameter.requires_grad]
    total = losses['loss_giou'] + losses['loss_l1']
    whole = [
        g for g in torch.autograd.grad(total, learning, retain_graph=True, allow_unused=True) if g is not None
    ]
    assert torch.stack([gradient.norm() for gradient in whole]).norm() > 0.2  # there is something to clip
    wrapper.update_params(total)
    assert norms == [pytest.approx(0.1, rel=1e-3)]


def test_an_inverted_box_takes_its_own_giou_only() -> None:
    truth = torch.tensor([[0.2, 0.2, 0.5, 0.6], [0.3, 0.3, 0.6, 0.6]])
    good = torch.tensor([[0.2, 0.3, 0.5, 0.7], [0.3, 0.3, 0.5, 0.6]])
    one_inverted = good.clone()
    one_inverted[1] = torch.tensor([0.5, 0.3, 0.3, 0.6])
    one_inverted.requires_grad_()
    alone = StarkLoss().of_boxes(good[:1], truth[:1], count=2)['loss_giou']
    losses = StarkLoss().of_boxes(one_inverted, truth, count=2)
    torch.testing.assert_close(losses['loss_giou'], alone)
    (losses['loss_giou'] + losses['loss_l1']).backward()
    assert one_inverted.grad.isfinite().all()
    assert (one_inverted.grad[1, [0, 2]] != 0).all()  # L1 turns it round
    official = StarkLoss(drop_giou_of_batch=True)
    assert official.of_boxes(one_inverted, truth, count=2)['loss_giou'] == 0
    torch.testing.assert_close(
        official.of_boxes(good, truth, count=2)['loss_giou'],
        StarkLoss().of_boxes(good, truth, 2)['loss_giou'],
    )


def test_what_a_config_may_not_say() -> None:
    for options, message in (
        ({'model.train_cfg.stage': 'third'}, "'localisation', 'score' or 'joint', got 'third'"),
        ({'model.score_head': None}, 'needs a score_head'),
        ({'model.test_cfg.update_intervals': [5, 5]}, '2 templates need a list of 1 update_intervals'),
        ({'model.test_cfg.update_intervals': [0]}, 'whole numbers >= 1'),
        ({'model.test_cfg.update_intervals': [2.5]}, 'whole numbers >= 1'),
        ({'model.test_cfg.update_intervals': 2}, 'a list of 1 update_intervals'),
        ({'model.test_cfg.update_scor': 0.4}, 'test_cfg has update_intervals, .* got update_scor'),
        ({'model.test_cfg.clip_margin': -5}, 'clip_margin must be >= 0'),
        ({'model.box_head.channels': 12}, 'multiple of 8'),
    ):
        with pytest.raises(InputError, match=message):
            small_stark('stark_st50_stage2', **options)


def test_roles_that_do_not_fit_the_templates() -> None:
    tracker = small_stark('stark_s50')
    inputs, samples = batch_of([(0, 6)])
    data = tracker.data_preprocessor({'inputs': inputs, 'data_samples': samples})
    with pytest.raises(
        InputError, match='a model with 1 templates trains with the roles template and search'
    ):
        tracker.loss(data['inputs'], data['data_samples'])


def test_predictions_for_the_runner() -> None:
    tracker = small_stark()
    inputs, samples = prepared(tracker, batch_of([(0, 6), (6, 0)]))
    tracks = tracker(inputs, samples, mode='predict')
    raw = tracker(inputs, samples, mode='tensor')
    assert isinstance(raw.corners, Corners) and raw.corners.maps.shape == (2, 2, 7, 7)
    for number, track in enumerate(tracks):
        assert track.boxes.shape == (1, 1, 4)
        torch.testing.assert_close(track.boxes[0, 0], raw.corners.boxes[number] * 112)
        torch.testing.assert_close(track.scores[0, 0], raw.logits[number].sigmoid())


THREE_STAGES: dict[str, Any] = dict(num_stages=3, strides=(1, 2, 2), dilations=(1, 1, 1))


@pytest.mark.parametrize(
    ('backbone', 'width'),
    [
        (dict(type='SwinTransformer', embed_dims=12, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1)), 48),
        (dict(type='ResNeXt', depth=50, groups=2, base_width=4, base_channels=8, **THREE_STAGES), 128),
        (dict(type='mmgtrack.TruncatedMobileNetV2', widen_factor=0.25), 24),
        (
            dict(type='mmgtrack.RepVGG', stage_channels=(8, 8, 16), stage_blocks=(1, 1, 1), stem_channels=8),
            16,
        ),
    ],
    ids=lambda value: value['type'] if isinstance(value, dict) else '',
)
def test_any_backbone_of_stride_16(backbone: dict, width: int) -> None:
    """By two entries of the config; it learns, and it tracks."""
    stage = (4,) if 'MobileNet' in backbone['type'] else (2,)
    sizes = {key: value for key, value in SMALL_STARK.items() if 'backbone' not in key}
    options = {
        'model.backbone': dict(_delete_=True, out_indices=stage, **backbone),
        'model.neck.in_channels': [width],
    }
    tracker = small_stark('stark_st50_stage1', only=sizes | options)
    inputs, samples = prepared(tracker.train(), batch_of([(0, 6), (6, 0)]))
    losses = tracker.loss(inputs, samples)
    (losses['loss_giou'] + losses['loss_l1']).backward()
    learning = [p for p in tracker.backbone.parameters() if p.requires_grad and p.grad is not None]
    assert learning and all(p.grad.isfinite().all() for p in learning)
    tracks, _ = tracker.eval().track(FRAMES[1:3], tracker.encode(FRAMES[0], BOXES))
    assert tracks.boxes.isfinite().all()


# ---- states and frames of every kind ---------------------------------------------------------------


@pytest.mark.parametrize('first', ['float32', 'bfloat16'])
@pytest.mark.parametrize('second', ['float32', 'bfloat16'])
def test_a_state_goes_on_in_another_precision(first: str, second: str, tmp_path: Path) -> None:
    """Saved by one tracker, loaded by the other, across an update of the template."""
    one, two = (small_stark(**{'model.test_cfg.update_score': 0.0}) for _ in range(2))
    for tracker, precision in ((one, first), (two, second)):
        speed_up(tracker, precision)
    _, state = one.track(FRAMES[1:2], one.encode(FRAMES[0], BOXES))
    state.save(tmp_path / 'state.pt')
    tracks, after = two.track(FRAMES[2:5], State.load(tmp_path / 'state.pt'))
    assert tracks.boxes.dtype == torch.float32 and tracks.boxes.isfinite().all()
    assert after.boxes.dtype == torch.float64
    assert changed(state, after) == [[False, True]] * 3


def test_a_state_that_was_converted_is_converted_back() -> None:
    tracker = small_stark()
    state = tracker.encode(FRAMES[0], BOXES)
    expected, _ = tracker.track(FRAMES[1:4], state)
    found, after = tracker.track(FRAMES[1:4], state.to(torch.float64))
    torch.testing.assert_close(found.boxes, expected.boxes, rtol=0, atol=1e-4)
    assert after.templates.dtype == torch.float32


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floating_frames_of_any_precision(dtype: torch.dtype) -> None:
    tracker = small_stark()
    expected, _ = tracker.track(FRAMES[1:3], tracker.encode(FRAMES[0], BOXES))
    frames = [torch.from_numpy(frame).to(dtype) for frame in FRAMES[:3]]
    tracks, _ = tracker.track(frames[1:], tracker.encode(frames[0], BOXES))
    torch.testing.assert_close(tracks.boxes, expected.boxes, rtol=0, atol=1.0)
    torch.testing.assert_close(tracks.scores, expected.scores, rtol=0, atol=0.02)


@pytest.mark.parametrize('dtype', [torch.uint16, torch.int32, torch.bool])
def test_other_tensors_are_no_frames(dtype: torch.dtype) -> None:
    with pytest.raises(InputError, match='must be uint8 or floating'):
        small_stark().encode(torch.from_numpy(FRAMES[0]).to(dtype), BOXES)


def test_boxes_that_no_window_fits() -> None:
    tracker = small_stark()
    huge = tracker.encode(FRAMES[0], [[-4000.0, -4000, 4000, 4000]])  # costs no more than any other
    assert tracker.track(FRAMES[1:2], huge)[0].boxes.isfinite().all()
    for side in (1e5, 1e20):
        with pytest.raises(InputError, match='at most 100 times as large as the frame of 160x120'):
            tracker.encode(FRAMES[0], [[-side, -side, side, side]])


def saying(tracker: Stark, *corners: float) -> Stark:
    """The box that the head gives, in the place of what it finds."""

    def say(module: Any, args: Any, found: Corners) -> Corners:
        return replace(found, boxes=torch.tensor([corners]).expand(len(found.boxes), -1))

    tracker.box_head.register_forward_hook(say)
    return tracker


@pytest.mark.parametrize('bad', [float('nan'), float('inf'), float('-inf')])
def test_a_box_that_is_no_number_teaches_nothing(bad: float) -> None:
    """The last box with score 0, and no template of it, whether or not there is a score head."""
    for options in ({'model.test_cfg.use_score_head': True}, {'model.score_head': None}):
        tracker = small_stark('stark_st50_stage1', **{'model.test_cfg.update_intervals': [1], **options})
        state = tracker.encode(FRAMES[0], BOXES[:1])
        tracks, after = saying(tracker, 0.2, 0.2, bad, 0.6).track(FRAMES[1:2], state)
        torch.testing.assert_close(tracks.boxes[0], torch.from_numpy(BOXES[:1]).float())
        assert tracks.scores.item() == 0 and not tracks.present.item()
        assert changed(state, after) == [[False, False]]


def test_a_score_head_that_is_not_trained_is_not_asked() -> None:
    """Stage 1: the score is that of the peaks, and templates stay."""
    settings = {'model.test_cfg.update_intervals': [1], 'model.test_cfg.update_score': 0.0}
    tracker = small_stark('stark_st50_stage1', **settings)
    assert tracker.score_head is not None
    state = tracker.encode(FRAMES[0], BOXES)
    with_maps = []
    tracker.box_head.register_forward_hook(lambda module, args, found: with_maps.append(found.maps))
    tracks, after = tracker.track(FRAMES[1:2], state)
    torch.testing.assert_close(tracks.scores[0], peak_score(with_maps[0]))
    assert changed(state, after) == [[False, False]] * 3


def test_a_frame_is_fetched_once_for_all_targets() -> None:
    class Decoding(Sequence):
        fetched = 0

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: Any) -> np.ndarray:
            Decoding.fetched += 1
            return FRAMES[1 + index].copy()

    tracker = small_stark()
    state = tracker.encode(FRAMES[0], BOXES)
    tracks, _ = tracker.track(Decoding(), state)
    expected, _ = tracker.track(FRAMES[1:4], state)
    assert Decoding.fetched == 3
    torch.testing.assert_close(tracks.boxes, expected.boxes)


def test_a_neck_that_does_not_fit_the_backbone() -> None:
    with pytest.raises(InputError, match=r'gives \[32\] channels, model.neck.in_channels says \[48\]'):
        small_stark(**{'model.neck.in_channels': [48]}).encode(FRAMES[0], BOXES)
    with pytest.raises(InputError, match='AssertionError: assert isinstance'):
        small_stark(**{'model.neck.in_channels': 32})


def test_the_score_of_peaks_can_be_calibrated(tmp_path: Path) -> None:
    """A model without a score head: scores of right boxes and of frames of another film are fitted."""
    tracker = saying(small_stark('stark_s50'), 0.4, 0.4, 0.6, 0.6)  # the box stays where it was
    for seed in (1, 2):
        clip = synthetic_clip(num_frames=1, size=(120, 160), target_size=(20, 20), seed=seed)
        still = SyntheticClip(
            *(np.repeat(part, 6, axis=0) for part in (clip.frames, clip.boxes, clip.present))
        )
        write_sequence(still, tmp_path / f'still_{seed}')
    scores = collect_scores(tracker, SequenceFolder(str(tmp_path)))
    assert scores.correct.sum() == 10 and (~scores.present).sum() == 12
    assert (scores.scores > 0).all() and (scores.scores < 1).all()
    fitted = fit_calibration(scores.scores, scores.present)
    assert fitted.scale > 0 and 0 <= fitted.threshold <= 1
