# PointTrack on ResNet-50 with a pyramid from stride 4 on. Every number is ours: nothing is published.
# Model card: docs/models/point_track.md
_base_ = [
    './_base_/datasets/point_coco_got10k_lasot.py',
    './_base_/schedules/point_track_24e.py',
    './_base_/runtime/default_runtime.py',
]

channels = 256
backbone_channels = [256, 512, 1024, 2048]
strides = [4, 8, 16, 32]

model = dict(
    type='mmgtrack.PointTrack',
    # long side at most 1333, short at most 800, as in globaltrack_r50.py
    data_preprocessor=dict(type='mmgtrack.ClipDataPreprocessor', resize=(1333, 800)),
    backbone=dict(
        type='ResNet',
        depth=50,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
    neck=dict(
        type='mmgtrack.CorrelationNeck',
        neck=dict(type='FPN', in_channels=backbone_channels, out_channels=channels, num_outs=4),
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
        # a process has one pair at a time: no batch norm
        norm_cfg=dict(type='GN', num_groups=32, requires_grad=True),
        # many points and no dead zone, as the light model: docs/size_study.md
        loss_point=dict(type='mmgtrack.MaxPointLoss', num_points=256, dead_zone=False),
        loss_size=dict(type='GIoULoss', loss_weight=0.25)),
    test_cfg=dict(max_per_img=20, nms=dict(type='nms', iou_threshold=0.5)))

# what is taken out of _base_ does not stay under its old name, where somebody could set it in vain
train_dataloader = _base_.pop('clip_dataloader')
test_dataloader = _base_.pop('sequence_dataloader')
test_evaluator = dict(type='mmgtrack.SuccessMetric')
val_dataloader = None  # no validation between epochs, as in globaltrack_r50.py
val_evaluator = None
for __name in ('clip_root', 'clip_coco', 'clip_frames'):
    _base_.pop(__name)
