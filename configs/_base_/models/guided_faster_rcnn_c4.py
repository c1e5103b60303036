"""Faster R-CNN over one map of stride 16, as GuidedDetector takes it (Huang et al., ICCV 2019, Fig. 4)."""

_base_ = 'mmdet::_base_/models/faster-rcnn_r50-caffe-c4.py'

model = dict(
    rpn_head=dict(
        # smooth L1 (section 3.2), in Faster R-CNN's own form
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1 / 9, loss_weight=1.0)),
    roi_head=dict(bbox_head=dict(num_classes=1)),
    train_cfg=dict(
        rpn=dict(pos_weight=3)),  # positives to negatives 3 : 1 (section 3.2)
    test_cfg=dict(
        # ours: one target is to be found among few objects. The network's last stage works on every proposal,
        # 0.7 GFLOP each: 64 cost twice as much as the map that they come from, detection's 1000 30 times
        rpn=dict(nms_pre=1000, max_per_img=64)))
_base_.pop('norm_cfg')
