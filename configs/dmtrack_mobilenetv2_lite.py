# DMTrack on MobileNetV2 with a 64-channel pyramid, for processors: detection, re-identification, association.
# Model card: docs/models/dmtrack_mobilenetv2_lite.md
_base_ = [
    './_base_/datasets/demo_data.py',
    './_base_/schedules/light_adamw.py',
    './_base_/runtime/default_runtime.py',
]

channels = 64
strides = [8, 16, 32]
norm = dict(type='BN')  # folded for tracking, which the published group norm cannot be
# two generated convolutions a branch, as published: before the first ordinary one, and behind the last one
# and an encoder
generated = dict(
    groups=1, pooled=True, project_out=False, act_cfg=dict(type='ReLU', inplace=True), plain_start=True,
    init_cfg=dict(type='Normal', layer='Conv2d', std=0.05))

model = dict(
    type='mmgtrack.DMTrack',
    batch_frames=8,
    data_preprocessor=dict(type='mmgtrack.ClipDataPreprocessor', resize=(512, 384)),
    backbone=dict(
        type='mmgtrack.TruncatedMobileNetV2',
        out_indices=(2, 4, 5),  # 32, 96, 160 channels at strides 8, 16, 32
        frozen_stages=3,  # as in globaltrack_mobilenetv2_lite.py
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint=_base_.pretrained)),
    neck=dict(type='FPN', in_channels=[32, 96, 160], out_channels=channels, num_outs=3),
    bbox_head=dict(
        type='mmgtrack.DynamicFCOSHead',
        num_classes=1,
        in_channels=channels,
        feat_channels=channels,
        stacked_convs=2,
        strides=strides,
        regress_ranges=((-1, 64), (64, 128), (128, 1e8)),
        center_sampling=True,
        centerness_on_reg=True,
        norm_cfg=norm,
        correlations=[
            dict(generated, place=0),
            dict(generated, place=2, project_search=True, search_size=1, search_channels=32),
        ],
        scale_start=[16, 32, 64],
        loss_bbox=dict(type='IoULoss', loss_weight=1.0),
        init_cfg=dict(
            type='Xavier', layer='Conv2d', distribution='uniform',
            override=[
                dict(type='Normal', name='conv_cls', std=0.01, bias_prob=0.01),
                dict(type='Normal', name='conv_reg', std=0.01, bias=1.0)])),  # distances of scale_start
    roi_extractor=dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=2),
        out_channels=channels,
        featmap_strides=strides,
        finest_scale=56),
    re_id_head=dict(
        type='mmgtrack.ReIDHead', in_channels=[32, 96, 160], strides=strides, channels=channels,
        embed_dims=128, num_identities=_base_.num_identities),
    task_weights=dict(type='mmgtrack.LearnedTaskWeights'),
    association=dict(),
    test_cfg=dict(
        nms_pre=100, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5), max_per_img=20))
