"""The heads of mmdet's detectors as the few-shot learner sees them, against the detectors themselves."""

import copy
from typing import Any

import pytest
import torch
from mmdet.models.dense_heads import FCOSHead
from mmdet.models.layers import NormedLinear
from mmengine.structures import InstanceData
from torch import Tensor, nn

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.errors import InputError
from mmgtrack.models.guided_detector.heads import HeadAdapter, adapter_of
from mmgtrack.models.guided_detector.heads.final_layers import check_layer
from tests.models.guided_heads import DENSE, TWO_STAGE, Maps, boxes_of, detector_of, flat, maps_of


def other_thetas(adapter: HeadAdapter, count: int) -> Tensor:
    """(count, P): near the detector's own, a different one each."""
    generator = torch.Generator().manual_seed(2)
    theta = adapter.theta().detach()
    return theta + 0.01 * torch.randn(count, len(theta), generator=generator, dtype=theta.dtype)


def raw_outputs(name: str, maps: Maps) -> tuple[Tensor, Tensor]:
    """Logits (B, N, c) and box outputs (B, N, 4) of the detector's own final layers."""
    head = detector_of(name).bbox_head
    logits, deltas = head(maps)[:2]
    if isinstance(head, FCOSHead):  # which goes on with what the layer says
        deltas = []
        handle = head.conv_reg.register_forward_hook(lambda *call: deltas.append(call[2]))
        head(maps)
        handle.remove()
    return flat(logits, head.cls_out_channels), flat(deltas, 4)


def priors_of_rows(name: str, maps: Maps, rows: Any, adapter: HeadAdapter) -> Tensor:
    """(B, K): the prior whose dense outputs a row's outputs are, to 1e-9; -1 where a row is padding."""
    logits, deltas = adapter.layout.outputs(adapter.theta(), rows)
    dense = torch.cat(raw_outputs(name, maps), -1)
    found = torch.full(rows.labels.shape, -1)
    for group in range(rows.labels.shape[1]):
        own = torch.cat((logits[:, group], deltas[:, group]), -1)
        distance, index = torch.cdist(own, dense, p=torch.inf).min(-1)
        found[:, group] = torch.where(distance < 1e-9, index, -1)
    return found.masked_fill(rows.label_weights == 0, -1)


def mmdet_targets(name: str, maps: Maps, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Labels, whether they count, and box targets of all priors, (B, N, ...), by the detector's own head."""
    head = detector_of(name).bbox_head
    truth = [InstanceData(bboxes=box[None], labels=torch.zeros(1, dtype=torch.long)) for box in boxes]
    if isinstance(head, FCOSHead):
        return fcos_targets(head, maps, truth)
    metas = [{'img_shape': (DENSE[name].crop,) * 2, 'pad_shape': (DENSE[name].crop,) * 2}] * len(boxes)
    anchors, flags = head.get_anchors([level.shape[-2:] for level in maps], metas, device='cpu')
    labels, weights, targets = head.get_targets(anchors, flags, truth, metas)[:3]
    return 1 - torch.cat(labels, 1), torch.cat(weights, 1) > 0, torch.cat(targets, 1).double()


def fcos_targets(head: FCOSHead, maps: Maps, truth: list[InstanceData]) -> tuple[Tensor, Tensor, Tensor]:
    """As ``mmdet_targets``; distances are taken back to what the scales and exp make them of."""
    points = head.prior_generator.grid_priors(
        [level.shape[-2:] for level in maps], dtype=torch.float64, device='cpu'
    )
    labels, distances = head.get_targets(points, truth)
    raw = [
        (level if head.norm_on_bbox else level.clamp(min=1e-6).log()) / scale.scale.detach()
        for level, scale in zip(distances, head.scales, strict=True)
    ]
    labels = torch.cat([level.view(len(truth), -1) for level in labels], 1)
    targets = torch.cat([level.view(len(truth), -1, 4) for level in raw], 1)
    return 1 - labels, torch.ones_like(labels, dtype=torch.bool), targets


@pytest.mark.parametrize('name', [*DENSE, *TWO_STAGE])
class TestEvery:
    def test_windows_do_not_see_each_other(self, name: str) -> None:
        adapter, maps, boxes = adapter_of(detector_of(name)), maps_of(name, 3), boxes_of(name)
        thetas = other_thetas(adapter, 3)
        with torch.no_grad():
            together = adapter.read(maps, boxes)
            found, rows = adapter.detect(together, thetas), adapter.mine(together, boxes, thetas)
            for number, theta in enumerate(thetas):
                one = slice(number, number + 1)
                alone = adapter.read(tuple(level[one] for level in maps), boxes[one])
                for ours, own in zip(found, adapter.detect(alone, theta), strict=True):
                    torch.testing.assert_close(ours[number], own[0], rtol=1e-9, atol=1e-6)
                own_rows = adapter.mine(alone, boxes[one], theta)
                assert torch.equal(rows.slots[number], own_rows.slots[0])
                for ours, own in zip(
                    (*rows.features, *rows[2:]), (*own_rows.features, *own_rows[2:]), strict=True
                ):
                    torch.testing.assert_close(ours[number], own[0], rtol=1e-9, atol=1e-9)

    def test_gradients_reach_the_maps_and_theta(self, name: str) -> None:
        adapter, boxes = adapter_of(detector_of(name)), boxes_of(name)
        maps = tuple(level.requires_grad_() for level in maps_of(name, 3))
        theta = adapter.theta()
        rows = adapter.mine(adapter.read(maps, boxes), boxes, theta)
        logits, deltas = adapter.layout.outputs(theta, rows)
        loss = (logits.square().mean(-1) * rows.label_weights).sum()
        loss = loss + ((deltas - rows.targets).square() * rows.box_weights[..., None]).sum()
        layer = detector_of(name).get_submodule(adapter.layout.groups[0].boxes.name).weight
        *of_maps, of_layer = torch.autograd.grad(loss, (*maps, layer), allow_unused=True)
        assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in of_maps)
        assert of_layer.isfinite().all()
        assert not any(leaf.requires_grad for leaf in rows[1:])

    def test_targets_under_one_cell(self, name: str) -> None:
        adapter = adapter_of(detector_of(name))
        centres = torch.tensor([[44.3, 48.1], [56.2, 40.1]])
        boxes = torch.cat((centres - 1, centres + 1.5), 1)
        inputs = adapter.read(maps_of(name, 2), boxes)
        rows = adapter.mine(inputs, boxes, adapter.theta())
        assert all(leaf.isfinite().all() for leaf in (*rows.features, *rows[1:]))
        positives = (rows.box_weights > 0).sum((1, 2)).tolist()
        # FCOS learns from points inside the box, of which there is none
        assert positives == [0, 0] if 'fcos' in name else all(positives)
        assert all(loss.isfinite() for loss in adapter.auxiliary_loss(inputs, boxes).values())

    def test_half_precision(self, name: str) -> None:
        detector = copy.deepcopy(detector_of(name)).float()
        adapter, boxes = adapter_of(detector), boxes_of(name).float()
        maps = tuple(level.float() for level in maps_of(name, 3))
        with torch.no_grad():
            full = adapter.detect(adapter.read(maps, boxes), adapter.theta())
            with torch.autocast('cpu', torch.bfloat16):
                inputs = adapter.read(maps, boxes)
                rows = adapter.mine(inputs, boxes, adapter.theta())
                found, scores = adapter.detect(inputs, adapter.theta())
        assert found.dtype == scores.dtype == rows.targets.dtype == rows.label_weights.dtype == torch.float32
        assert found.shape == full[0].shape
        assert rows.features[0].dtype == torch.bfloat16 or 'ssd' in name
        assert all(leaf.isfinite().all() for leaf in (found, scores, *rows.features, *rows[1:]))
        if name not in TWO_STAGE:  # whose regions are others after rounding
            torch.testing.assert_close(scores, full[1], rtol=0, atol=0.05)

    def test_windows_without_the_target(self, name: str) -> None:
        adapter = adapter_of(detector_of(name))
        boxes = torch.tensor([[60.0] * 4, [-900.0, -900.0, -800.0, -800.0], [torch.nan] * 4])
        rows = adapter.mine(adapter.read(maps_of(name, 3), boxes), boxes, adapter.theta())
        assert (rows.labels == 0).all()
        assert (rows.box_weights == 0).all()
        assert (rows.label_weights > 0).sum((1, 2)).tolist() == [3, 3, 3]
        assert all(leaf.isfinite().all() for leaf in (*rows.features, *rows[1:]))


@pytest.mark.parametrize('name', DENSE)
class TestDense:
    def test_outputs_before_nms_are_the_detectors(self, name: str) -> None:
        adapter, maps = adapter_of(detector_of(name)), maps_of(name, 1)
        with torch.no_grad():
            boxes, scores = adapter.detect(adapter.read(maps), adapter.theta())
            head = detector_of(name).bbox_head
            own = head.predict_by_feat(
                *head(maps),
                batch_img_metas=[{'img_shape': (10**6, 10**6)}],
                cfg=head.test_cfg.__class__(score_thr=-1, nms_pre=10**6, min_bbox_size=-1),
                with_nms=False,
            )[0]
        if 'score_factors' in own:
            own.scores = own.scores * own.score_factors
        assert boxes.shape == (1, len(own.bboxes), 4)
        (ours, ours_order), (theirs, theirs_order) = scores[0].sort(), own.scores.sort()
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)
        # FCOS's distances are float32, whatever the module is
        torch.testing.assert_close(
            boxes[0, ours_order].clamp(min=0), own.bboxes[theirs_order].double(), rtol=1e-6, atol=1e-5
        )

    def test_rows_say_what_the_layers_say_at_priors_that_mmdet_assigns(self, name: str) -> None:
        adapter, maps, boxes = adapter_of(detector_of(name)), maps_of(name, 3), boxes_of(name)
        with torch.no_grad():
            rows = adapter.mine(adapter.read(maps), boxes, adapter.theta())
            priors = priors_of_rows(name, maps, rows, adapter)
        assert ((priors >= 0) == (rows.label_weights > 0)).all()
        labels, counts, targets = mmdet_targets(name, maps, boxes)
        for window in range(3):
            is_row = rows.label_weights[window] > 0
            chosen = priors[window][is_row]
            assert len(chosen.unique()) == len(chosen)
            assert counts[window, chosen].all()
            assert torch.equal(rows.labels[window][is_row].long(), labels[window, chosen])
            positive = is_row & (rows.labels[window] > 0)
            expected = min(int((labels[window] == 1).sum()), 16)
            assert positive.sum() == expected > 0
            assert is_row.sum() == expected * 4
            torch.testing.assert_close(
                rows.targets[window][positive],
                targets[window, priors[window][positive]],
                rtol=1e-5,
                atol=1e-5,
            )
            assert ((rows.box_weights[window] > 0) == positive).all()
            torch.testing.assert_close(rows.box_weights[window].sum().item(), 1.0)
            torch.testing.assert_close(rows.label_weights[window].sum().item(), 4.0)

    def test_negatives_are_the_hardest(self, name: str) -> None:
        adapter, maps, boxes = adapter_of(detector_of(name)), maps_of(name, 3), boxes_of(name)
        with torch.no_grad():
            rows = adapter.mine(adapter.read(maps), boxes, adapter.theta())
            priors = priors_of_rows(name, maps, rows, adapter)
            logits = raw_outputs(name, maps)[0]
        labels, counts, _ = mmdet_targets(name, maps, boxes)
        odds = logits[..., 0] - (0 if logits.shape[-1] == 1 else logits[..., -1])
        for window in range(3):
            chosen = priors[window][(rows.label_weights[window] > 0) & (rows.labels[window] == 0)]
            left = counts[window] & (labels[window] == 0)
            left[chosen] = False
            assert odds[window, chosen].min() >= odds[window, left].max()


@pytest.mark.parametrize('name', ['fcos_r50', 'fcos_r50_center_norm'])
def test_centerness_of_fcos_is_the_detectors(name: str) -> None:
    adapter, maps, boxes = adapter_of(detector_of(name)), maps_of(name, 3), boxes_of(name)
    head = detector_of(name).bbox_head
    truth = [InstanceData(bboxes=box[None], labels=torch.zeros(1, dtype=torch.long)) for box in boxes]
    with torch.no_grad():
        ours = adapter.auxiliary_loss(adapter.read(maps), boxes)
        alone = [
            head.loss_by_feat(*head(tuple(m[n : n + 1] for m in maps)), truth[n : n + 1], [{}])
            for n in range(3)
        ]
        absent = adapter.auxiliary_loss(adapter.read(maps), torch.zeros_like(boxes))
    theirs = torch.stack([losses['loss_centerness'] for losses in alone]).mean()
    torch.testing.assert_close(ours['loss_centerness'], theirs)
    assert absent['loss_centerness'] == 0


def test_detectors_that_have_no_adapter() -> None:
    many = copy.deepcopy(detector_of('ssdlite'))
    many.bbox_head.num_classes = 80
    with pytest.raises(InputError, match='num_classes=1, the target, got 80'):
        adapter_of(many)
    untrained = copy.deepcopy(detector_of('ssdlite'))
    del untrained.bbox_head.assigner
    with pytest.raises(InputError, match=r'SSDHead of a guided detector has a MaxIoUAssigner .* got none'):
        adapter_of(untrained)
    with pytest.raises(InputError, match='SSDHead, RetinaHead, FCOSHead, got Linear with NoneType'):
        adapter_of(nn.Linear(1, 1))
    other = copy.deepcopy(detector_of('fpn_r50'))
    other.roi_head.__class__ = type('OtherRoIHead', (type(other.roi_head),), {})
    with pytest.raises(InputError, match=r'a StandardRoIHead, .* got OtherRoIHead'):
        adapter_of(other)
    with pytest.raises(InputError, match='got 4 and 2'):
        adapter_of(detector_of('ssdlite'), num_positives=4, num_negatives=2)
    with pytest.raises(InputError, match='the head has 6 levels, got 1 maps'):
        adapter_of(detector_of('ssdlite')).read(maps_of('ssdlite', 1)[:1])
    with pytest.raises(InputError, match='the RPN has 5 levels, got 1 maps'):
        adapter_of(detector_of('fpn_r50')).read(maps_of('fpn_r50', 1)[:1])


def test_last_layers_that_are_no_plain_maps() -> None:
    strided = nn.Conv2d(4, 2, 3, stride=2, padding=1)
    with pytest.raises(InputError, match=r'bbox_head\.last: Conv2d'):
        check_layer('bbox_head.last', strided)
    with pytest.raises(InputError, match='plain convolution'):
        check_layer('fc', nn.Linear(4, 2, bias=False))
    with pytest.raises(InputError, match='NormedLinear'):
        check_layer('fc', NormedLinear(4, 2))
    check_layer('fc', nn.Linear(4, 2))


def test_the_detector_is_left_as_it_was() -> None:
    detector, maps = detector_of('ssdlite'), maps_of('ssdlite', 1)
    before = detector.bbox_head(maps)
    adapter = adapter_of(detector)
    adapter.read(maps)
    with pytest.raises(RuntimeError):
        adapter.read(tuple(level[:, 1:] for level in maps))
    assert not any(module._forward_pre_hooks for module in detector.modules())
    for ours, own in zip(detector.bbox_head(maps)[0], before[0], strict=True):
        assert torch.equal(ours, own)
