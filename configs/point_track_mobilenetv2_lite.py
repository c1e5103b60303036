# PointTrack on MobileNetV2 with a 64-channel pyramid from stride 4 on, for processors and small targets.
# Model card: docs/models/point_track_mobilenetv2_lite.md
_base_ = [
    './_base_/datasets/point_demo_data.py',
    './_base_/schedules/light_adamw.py',
    './_base_/runtime/default_runtime.py',
]

channels = 64
strides = [4, 8, 16, 32]

model = dict(
    type='mmgtrack.PointTrack',
    batch_frames=1,  # on a processor eight at once take 1.5 times as long each: docs/benchmarks.md
    data_preprocessor=dict(type='mmgtrack.ClipDataPreprocessor', resize=(640, 480)),
    backbone=dict(
        type='mmgtrack.TruncatedMobileNetV2',
        out_indices=(1, 2, 4, 5),  # 24, 32, 96, 160 channels at strides 4, 8, 16, 32
        frozen_stages=3,  # as in globaltrack_mobilenetv2_lite.py
        norm_eval=True,
        init_cfg=dict(type='Pretrained', checkpoint=_base_.pretrained)),
    neck=dict(
        type='mmgtrack.CorrelationNeck',
        neck=dict(type='FPN', in_channels=[24, 32, 96, 160], out_channels=channels, num_outs=4),
        num_levels=4,
        share_levels=True,
        # a factor a channel from the 7x7 RoI feature, and a 1x1 convolution, as in GlobalTrack
        correlation=dict(init_cfg=dict(type='Xavier', layer='Conv2d', distribution='uniform'))),
    roi_extractor=dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=2),
        out_channels=channels,
        featmap_strides=strides,
        finest_scale=28),
    bbox_head=dict(
        type='mmgtrack.PointHead',
        in_channels=channels,
        feat_channels=channels,
        strides=strides,
        depthwise=True,
        norm_cfg=dict(type='BN'),  # folded for tracking
        # with few points, or with the dead zone, 20,000 pairs teach little: docs/size_study.md
        loss_point=dict(type='mmgtrack.MaxPointLoss', num_points=256, dead_zone=False),
        loss_size=dict(type='GIoULoss', loss_weight=0.25),
        init_cfg=dict(
            type='Xavier', layer='Conv2d', distribution='uniform',
            override=dict(type='Normal', name='outputs', std=0.01))),
    test_cfg=dict(max_per_img=20, nms=dict(type='nms', iou_threshold=0.5)))
