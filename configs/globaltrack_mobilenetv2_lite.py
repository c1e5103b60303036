# GlobalTrack on MobileNetV2 with a 64-channel pyramid and few proposals: the light default model.
# Model card: docs/models/globaltrack_mobilenetv2_lite.md
_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    './_base_/datasets/demo_data.py',
    './_base_/schedules/light_adamw.py',
    './_base_/runtime/default_runtime.py',
]

channels = 64
xavier = dict(type='Xavier', layer='Conv2d', distribution='uniform')

model = dict(
    type='mmgtrack.GlobalTrack',
    batch_frames=8,
    data_preprocessor=dict(
        _delete_=True, type='mmgtrack.ClipDataPreprocessor', resize=(512, 384)),
    backbone=dict(
        _delete_=True,
        type='mmgtrack.TruncatedMobileNetV2',
        out_indices=(1, 2, 4, 5),  # 24, 32, 96, 160 channels at strides 4, 8, 16, 32
        frozen_stages=3,  # half the cost of a step; little data would only spoil these layers
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint=_base_.pretrained)),
    neck=dict(in_channels=[24, 32, 96, 160], out_channels=channels),
    rpn_head=dict(
        type='mmgtrack.QueryRPNHead',
        in_channels=channels,
        feat_channels=channels,
        share_levels=True,
        # every look-alike in the frame is a negative: focal loss on all anchors instead of sampling
        loss_cls=dict(
            _delete_=True, type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        init_cfg=dict(
            type='Normal', layer='Conv2d', std=0.01,
            override=dict(type='Normal', name='rpn_cls', std=0.01, bias_prob=0.01)),
        # 12 to 288 px in steps of 1.5 and 1.33: targets of a few pixels are part of the job
        anchor_generator=dict(scales=[3, 4.5])),
    roi_head=dict(
        type='mmgtrack.QueryRoIHead',
        modulator=dict(init_cfg=xavier),
        bbox_roi_extractor=dict(
            roi_layer=dict(sampling_ratio=2), out_channels=channels, finest_scale=28),
        bbox_head=dict(in_channels=channels, fc_out_channels=256, num_classes=1)),
    train_cfg=dict(
        rpn=dict(
            _delete_=True,
            # RetinaNet's thresholds, as focal loss wants them
            assigner=dict(
                type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0,
                ignore_iof_thr=-1),
            allowed_border=-1,
            pos_weight=-1,
            debug=False),
        rpn_proposal=dict(nms_pre=200, max_per_img=100),
        rcnn=dict(sampler=dict(num=32))),
    test_cfg=dict(
        rpn=dict(nms_pre=100, max_per_img=32),
        rcnn=dict(score_thr=0.0, max_per_img=16)))
