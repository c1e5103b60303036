# GlobalTrack as its authors' code computes it, for their weights (`mmgtrack convert globaltrack`).
# Boxes end at their last pixel, widths are x2 - x1 + 1: in anchors, coders, overlaps, NMS and RoIAlign.
_base_ = './globaltrack_r50.py'

coder = dict(type='mmgtrack.InclusiveDeltaXYWHBBoxCoder')
overlaps = dict(type='mmgtrack.InclusiveBboxOverlaps2D')
nms = dict(offset=1)

model = dict(
    inclusive_pixels=True,
    data_preprocessor=dict(single_scale=True),  # boxes times one factor, whatever rounding did to the image
    rpn_head=dict(
        anchor_generator=dict(type='LegacyAnchorGenerator', center_offset=0.5), bbox_coder=coder),
    roi_head=dict(
        bbox_roi_extractor=dict(
            type='mmgtrack.InclusiveRoIExtractor', roi_layer=dict(sampling_ratio=2)),
        bbox_head=dict(bbox_coder=coder)),
    train_cfg=dict(
        rpn=dict(assigner=dict(iou_calculator=overlaps)),
        rpn_proposal=dict(nms=nms, min_bbox_size=-1),  # -1: no box is too small
        rcnn=dict(assigner=dict(iou_calculator=overlaps))),
    test_cfg=dict(
        rpn=dict(nms=nms, min_bbox_size=-1),
        rcnn=dict(nms=nms)))
