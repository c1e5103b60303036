"""Heads of two-stage detectors as the few-shot learner sees them, against the detectors themselves."""

import pytest
import torch
from mmengine.structures import InstanceData
from torch.nn import functional

import mmgtrack  # noqa: F401  (operator stand-in before mmdet)
from mmgtrack.geometry.boxes import box_iou
from mmgtrack.models.guided_detector.heads import adapter_of
from mmgtrack.models.guided_detector.heads.roi import neighbours
from tests.models.guided_heads import TWO_STAGE, Maps, boxes_of, detector_of, flat, maps_of


def mmdet_proposals(name: str, maps: Maps) -> list[InstanceData]:
    """Of the detector's own RPN."""
    detector, zoo = detector_of(name), TWO_STAGE[name]
    metas = [{'img_shape': (zoo.crop,) * 2}] * len(maps[0])
    return detector.rpn_head.predict_by_feat(*detector.rpn_head(maps), batch_img_metas=metas)


@pytest.mark.parametrize('name', TWO_STAGE)
class TestTwoStage:
    def test_proposals_and_outputs_before_nms_are_the_detectors(self, name: str) -> None:
        adapter, maps = adapter_of(detector_of(name)), maps_of(name, 2)
        with torch.no_grad():
            inputs = adapter.read(maps)
            boxes, scores = adapter.detect(inputs, adapter.theta())
            proposals = mmdet_proposals(name, maps)
            own = detector_of(name).roi_head.predict_bbox(
                maps, [{'img_shape': (10**6,) * 2}] * 2, proposals, rcnn_test_cfg=None
            )
        for window in range(2):
            valid = inputs.valid[window]
            assert valid.sum() > 4
            torch.testing.assert_close(inputs.rois[window, valid], proposals[window].bboxes)
            torch.testing.assert_close(scores[window, valid], own[window].scores[:, 0], rtol=0, atol=1e-9)
            torch.testing.assert_close(boxes[window, valid].clamp(min=0), own[window].bboxes)
            assert (scores[window, ~valid] == 0).all()
            assert boxes[window].isfinite().all()

    def test_rows_say_what_the_layers_say_at_regions_that_mmdet_assigns(self, name: str) -> None:
        adapter, maps, boxes = adapter_of(detector_of(name)), maps_of(name, 2), boxes_of(name)[1:]
        assigner, coder = (
            detector_of(name).roi_head.bbox_assigner,
            detector_of(name).roi_head.bbox_head.bbox_coder,
        )
        with torch.no_grad():
            inputs = adapter.read(maps, boxes)
            found, scores = adapter.detect(inputs, adapter.theta())
            rows = adapter.mine(inputs, boxes, adapter.theta())
            logits, deltas = adapter.layout.outputs(adapter.theta(), rows)
        for window in range(2):
            rois = inputs.rois[window][inputs.valid[window]]
            assigned = assigner.assign(
                InstanceData(priors=rois),
                InstanceData(bboxes=boxes[window][None], labels=torch.zeros(1, dtype=torch.long)),
            )
            positive, valid = rows.box_weights[window, 0] > 0, rows.label_weights[window, 0] > 0
            num_positives = min(int((assigned.gt_inds == 1).sum()), 16)
            num_negatives = min(3 * num_positives, int((assigned.gt_inds == 0).sum()))
            assert num_positives >= 16  # the target itself and its neighbours
            assert (int(positive.sum()), int(valid.sum())) == (num_positives, num_positives + num_negatives)
            # each row's outputs are those of a region of its kind
            own_scores = logits[window, 0].softmax(-1)[:, 0]
            distance, index = (own_scores[:, None] - scores[window][inputs.valid[window]]).abs().min(1)
            assert distance[valid].max() < 1e-9
            assert (assigned.gt_inds[index[positive]] == 1).all()
            assert (assigned.gt_inds[index[valid & ~positive]] == 0).all()
            decoded = coder.decode(rois[index[positive]], deltas[window, 0][positive])
            torch.testing.assert_close(decoded, found[window][inputs.valid[window]][index[positive]])
            truth = coder.decode(rois[index[positive]], rows.targets[window, 0][positive])
            torch.testing.assert_close(truth, boxes[window].expand_as(truth), rtol=1e-5, atol=1e-3)
            torch.testing.assert_close(rows.label_weights[window].sum().item(), 1.0)

    def test_positives_of_the_rpn_count_three_times(self, name: str) -> None:
        adapter, maps, boxes = adapter_of(detector_of(name)), maps_of(name, 3), boxes_of(name)
        with torch.no_grad():
            inputs = adapter.read(maps, boxes)
            losses = adapter.auxiliary_loss(inputs, boxes)
            absent = adapter.auxiliary_loss(inputs, torch.full_like(boxes, torch.nan))
        rpn, crop = detector_of(name).rpn_head, TWO_STAGE[name].crop
        anchors = torch.cat(
            rpn.prior_generator.grid_priors([m.shape[-2:] for m in maps], dtype=torch.float64, device='cpu')
        )
        logits = flat(inputs.objectness, 1)[..., 0]
        expected = []
        for window, box in enumerate(boxes):
            assigned = rpn.assigner.assign(
                InstanceData(priors=anchors),
                InstanceData(bboxes=box[None], labels=torch.zeros(1, dtype=torch.long)),
            ).gt_inds
            positive, negative = logits[window][assigned == 1], logits[window][assigned == 0]
            total = 3 * functional.softplus(-positive).sum() + functional.softplus(negative).sum()
            expected.append(total / (len(positive) + len(negative)))
        assert crop == inputs.size[0]
        assert set(losses) == {'rpn_loss_cls', 'rpn_loss_bbox'}
        mean = torch.stack(expected).mean()
        torch.testing.assert_close(losses['rpn_loss_cls'].double(), mean, rtol=1e-6, atol=0)
        assert losses['rpn_loss_bbox'] > 0
        # mmdet divides by at least one positive a window
        alone = functional.softplus(logits).sum() / (logits.numel() + len(boxes))
        torch.testing.assert_close(absent['rpn_loss_cls'].double(), alone, rtol=1e-6, atol=0)
        assert absent['rpn_loss_bbox'] == 0


def test_neighbours_overlap_the_box_by_half_or_more() -> None:
    box = torch.tensor([[10.0, 20.0, 13.0, 90.0]])
    near = neighbours(box)
    ious = box_iou(near, box[:, None])[0]
    assert near.shape == (1, 16, 4)
    assert ious.min() > 0.6
    assert (ious > 0.999).sum() == 1
