# GuidedDetector on MobileNetV2 with SSD's head on three levels, for processors.
# Model card: docs/models/guided_mobilenetv2_lite.md
_base_ = [
    './_base_/datasets/guided_demo_data.py',
    './_base_/schedules/light_adamw.py',
    './_base_/runtime/default_runtime.py',
]

channels = 64
strides = [8, 16, 32]
norm = dict(type='BN')

model = dict(
    type='mmgtrack.GuidedDetector',
    data_preprocessor=dict(type='mmgtrack.ClipDataPreprocessor', pad_size_divisor=1),
    detector=dict(
        type='SingleStageDetector',
        backbone=dict(
            type='mmgtrack.TruncatedMobileNetV2',
            out_indices=(2, 4),  # 32 and 96 channels at strides 8 and 16
            frozen_stages=3,  # as in globaltrack_mobilenetv2_lite.py
            norm_eval=True,
            init_cfg=dict(type='Pretrained', checkpoint=_base_.pretrained)),
        # the level of stride 32 is subsampled from that of 16
        neck=dict(type='FPN', in_channels=[32, 96], out_channels=channels, num_outs=3),
        bbox_head=dict(
            type='SSDHead',
            num_classes=1,
            in_channels=[channels] * 3,
            stacked_convs=1,
            feat_channels=channels,
            norm_cfg=norm,
            act_cfg=dict(type='ReLU'),
            anchor_generator=dict(
                type='SSDAnchorGenerator',
                scale_major=False,
                input_size=224,
                strides=strides,
                # the paper's 30, 60 and 111 of 300 pixels, in parts of 224
                min_sizes=[22, 45, 83],
                max_sizes=[45, 83, 121],
                ratios=[[2], [2, 3], [2, 3]]),
            bbox_coder=dict(
                type='DeltaXYWHBBoxCoder',
                target_means=[0.0, 0.0, 0.0, 0.0],
                target_stds=[0.1, 0.1, 0.2, 0.2])),
        train_cfg=dict(
            assigner=dict(
                type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=0.0,
                ignore_iof_thr=-1, gt_max_assign_all=False),
            sampler=dict(type='PseudoSampler'),
            smoothl1_beta=1.0,
            allowed_border=-1,
            pos_weight=-1,
            neg_pos_ratio=3,
            debug=False),
        test_cfg=dict(
            nms_pre=1000, nms=dict(type='nms', iou_threshold=0.45), min_bbox_size=0, score_thr=0.0,
            max_per_img=100)),
    # a target is about three cells wide in the exemplar of its level
    guidance=dict(pooled_size=3),
    exemplar=dict(factor=2, sizes=[48, 96, 160]),  # twice the base sizes (section 3.5)
    search=dict(factor=5, size=224),
    learner=dict(
        inner_lr=0.05,  # section 4.1
        inner_steps=5,  # ours: as many as on a first frame
        first_steps=5, online_steps=1,  # section 3.4
        anchor_weight=0.3, anchor='initial'),
    first_frame=dict(count=16),  # section 3.4
    # penalty and window: docs/models/guided_detector.md; chosen on training sequences
    selection=dict(sigma=0.55, size_rate=0.275, product=True, window_influence=0.3),
    test_cfg=dict(update_interval=10, sample_score=0.5, max_samples=10, min_side=2.0))

# ours: what 50 minutes on a core allow
train_cfg = dict(max_epochs=8)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(
        type='CosineAnnealingLR', by_epoch=True, begin=0, T_max=8, eta_min_ratio=0.02,
        convert_to_iter_based=True),
]
auto_scale_lr = dict(base_batch_size=16)
