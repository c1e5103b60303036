"""The heads of mmdet's detectors as the few-shot learner sees them, against the detectors themselves."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from torch import Tensor, nn

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.models.guided_detector.heads import HeadAdapter, adapter_of

Maps = tuple[Tensor, ...]
# the paper's three levels (section 3.4)
SSD = {
    'neck.out_channels': (512, 1024, 512),
    'neck.level_strides': (2,),
    'neck.level_paddings': (1,),
    'bbox_head.in_channels': (512, 1024, 512),
    'bbox_head.num_classes': 1,
    'bbox_head.anchor_generator.min_sizes': [30, 60, 111],
    'bbox_head.anchor_generator.max_sizes': [60, 111, 162],
    'bbox_head.anchor_generator.basesize_ratio_range': None,
    'bbox_head.anchor_generator.strides': [8, 16, 32],
    'bbox_head.anchor_generator.ratios': [[2], [2, 3], [2, 3]],
}


@dataclass(frozen=True)
class Zoo:
    """A detector of the zoo with one class.

    channels: of its maps; sides: theirs, in a crop of ``crop`` pixels; small: side of its smallest prior, of
    the crop's.
    """

    config: str
    channels: tuple[int, ...]
    sides: tuple[int, ...]
    crop: int
    small: float
    changes: dict[str, Any] = field(default_factory=dict)


DENSE = {
    'ssd300': Zoo('ssd/ssd300_coco.py', (512, 1024, 512), (38, 19, 10), 300, 0.1, SSD),
    'ssdlite': Zoo(
        'ssd/ssdlite_mobilenetv2-scratch_8xb24-600e_coco.py',
        (96, 1280, 512, 256, 256, 128),
        (8, 4, 2, 1, 1, 1),
        128,
        0.4,
        {'bbox_head.num_classes': 1},
    ),
}


@cache
def detector_of(name: str) -> nn.Module:
    """In float64, with random weights that tell priors apart; shared, so no test may change it."""
    zoo = DENSE[name]
    config = get_config(f'mmdet::{zoo.config}').model
    for key, value in {**zoo.changes, 'backbone.init_cfg': None}.items():
        *path, last = key.split('.')
        part = config
        for step in path:
            part = part[step]
        part[last] = value
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.build(config).double().eval()
    for parameter in detector.bbox_head.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=1 / parameter[0].numel() ** 0.5)
        else:
            nn.init.uniform_(parameter, -0.1, 0.1)
    if not hasattr(detector.bbox_head, 'loss_cls'):
        detector.bbox_head.loss_cls = (
            None  # mmdet 3.3 asks for it before it predicts, and SSD's head has none
        )
    return detector


def maps_of(name: str, count: int) -> Maps:
    """Random maps of ``count`` windows, as the guidance would hand them on."""
    zoo = DENSE[name]
    generator = torch.Generator().manual_seed(1)
    return tuple(
        torch.randn(count, channels, side, side, generator=generator, dtype=torch.float64)
        for channels, side in zip(zoo.channels, zoo.sides, strict=True)
    )


def boxes_of(name: str) -> Tensor:
    """Three targets near the middle: as small as the smallest prior, larger, and wide."""
    crop, small = DENSE[name].crop, DENSE[name].small
    sizes = crop * torch.tensor([[0.9 * small, 1.1 * small], [0.45, 0.45], [0.6, 0.4]], dtype=torch.float64)
    centres = crop * torch.tensor([[0.52, 0.47], [0.5, 0.5], [0.4, 0.6]], dtype=torch.float64)
    return torch.cat((centres - sizes / 2, centres + sizes / 2), 1)


def flat(levels: list[Tensor], outputs: int) -> Tensor:
    """(B, N, outputs) of a dense head's maps (B, A * outputs, h, w), in mmdet's order."""
    return torch.cat([level.permute(0, 2, 3, 1).reshape(len(level), -1, outputs) for level in levels], 1)


def other_thetas(adapter: HeadAdapter, count: int) -> Tensor:
    """(count, P): near the detector's own, a different one each."""
    generator = torch.Generator().manual_seed(2)
    theta = adapter.theta().detach()
    return theta + 0.01 * torch.randn(count, len(theta), generator=generator, dtype=theta.dtype)


def raw_outputs(name: str, maps: Maps) -> tuple[Tensor, Tensor]:
    """Logits (B, N, c) and box outputs (B, N, 4) of the detector's own final layers."""
    head = detector_of(name).bbox_head
    logits, deltas = head(maps)[:2]
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
    metas = [{'img_shape': (DENSE[name].crop,) * 2, 'pad_shape': (DENSE[name].crop,) * 2}] * len(boxes)
    truth = [InstanceData(bboxes=box[None], labels=torch.zeros(1, dtype=torch.long)) for box in boxes]
    anchors, flags = head.get_anchors([level.shape[-2:] for level in maps], metas, device='cpu')
    labels, weights, targets = head.get_targets(anchors, flags, truth, metas)[:3]
    return 1 - torch.cat(labels, 1), torch.cat(weights, 1) > 0, torch.cat(targets, 1).double()


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
        torch.testing.assert_close(
            boxes[0, ours_order].clamp(min=0), own.bboxes[theirs_order], rtol=1e-9, atol=1e-6
        )

    def test_windows_do_not_see_each_other(self, name: str) -> None:
        adapter, maps, boxes = adapter_of(detector_of(name)), maps_of(name, 3), boxes_of(name)
        thetas = other_thetas(adapter, 3)
        with torch.no_grad():
            together = adapter.read(maps)
            found, rows = adapter.detect(together, thetas), adapter.mine(together, boxes, thetas)
            for number, theta in enumerate(thetas):
                alone = adapter.read(tuple(level[number : number + 1] for level in maps))
                for ours, own in zip(found, adapter.detect(alone, theta), strict=True):
                    torch.testing.assert_close(ours[number], own[0], rtol=1e-9, atol=1e-6)
                own_rows = adapter.mine(alone, boxes[number : number + 1], theta)
                assert torch.equal(rows.slots[number], own_rows.slots[0])
                for ours, own in zip(
                    (*rows.features, *rows[2:]), (*own_rows.features, *own_rows[2:]), strict=True
                ):
                    torch.testing.assert_close(ours[number], own[0], rtol=1e-9, atol=1e-9)

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

    def test_gradients_reach_the_maps_and_theta(self, name: str) -> None:
        adapter, boxes = adapter_of(detector_of(name)), boxes_of(name)
        maps = tuple(level.requires_grad_() for level in maps_of(name, 3))
        theta = adapter.theta()
        rows = adapter.mine(adapter.read(maps), boxes, theta)
        logits, deltas = adapter.layout.outputs(theta, rows)
        loss = (logits.square().mean(-1) * rows.label_weights).sum()
        loss = loss + ((deltas - rows.targets).square() * rows.box_weights[..., None]).sum()
        layer = detector_of(name).get_submodule(adapter.layout.groups[0].boxes.name).weight
        *of_maps, of_layer = torch.autograd.grad(loss, (*maps, layer), allow_unused=True)
        assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in of_maps)
        assert of_layer.isfinite().all()
        assert not any(leaf.requires_grad for leaf in rows[1:])

    @pytest.mark.parametrize(
        'box',
        [(60.0, 60.0, 60.0, 60.0), (-900.0, -900.0, -800.0, -800.0), (float('nan'),) * 4],
        ids=['no area', 'outside', 'nan'],
    )
    def test_windows_without_the_target(self, name: str, box: tuple[float, ...]) -> None:
        adapter = adapter_of(detector_of(name))
        inputs = adapter.read(maps_of(name, 1))
        rows = adapter.mine(inputs, torch.tensor([box]), adapter.theta())
        assert (rows.labels == 0).all()
        assert (rows.box_weights == 0).all()
        assert (rows.label_weights > 0).sum() == 3
        assert all(leaf.isfinite().all() for leaf in (*rows.features, *rows[1:]))
