# DMTrack (Zhang et al., CVPR 2021) with DLA-34: the published detector, a re-id head and association.
# Model card: docs/models/dmtrack.md
_base_ = [
    './_base_/datasets/coco_lasot.py',
    './_base_/schedules/dmtrack_48e.py',
    './_base_/runtime/default_runtime.py',
]

channels = 256
backbone_channels = [128, 256, 512]
strides = [8, 16, 32]
generated = dict(groups=1, pooled=True, project_out=False, act_cfg=dict(type='ReLU', inplace=True))

model = dict(
    type='mmgtrack.DMTrack',
    # long side at most 736, short at most 512 (official code)
    data_preprocessor=dict(type='mmgtrack.ClipDataPreprocessor', resize=(736, 512)),
    backbone=dict(
        type='mmgtrack.DLAUpNet',
        base=dict(type='mmgtrack.DLA', out_indices=(3, 4, 5)),
        in_channels=backbone_channels,
        init_cfg=dict(
            type='Pretrained', checkpoint='http://dl.yf.io/dla/models/imagenet/dla34-ba72cf86.pth')),
    neck=dict(type='FPN', in_channels=backbone_channels, out_channels=channels, num_outs=3),
    # one RoI feature, of the level that fits: below 112 px, below 224, above (official code)
    roi_extractor=dict(
        type='SingleRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=2),
        out_channels=channels,
        featmap_strides=strides,
        finest_scale=56),
    bbox_head=dict(
        type='mmgtrack.DynamicFCOSHead',
        num_classes=1,
        in_channels=channels,
        feat_channels=channels,
        stacked_convs=4,
        strides=strides,
        regress_ranges=((-1, 64), (64, 128), (128, 1e8)),
        norm_cfg=dict(type='GN', num_groups=32, requires_grad=True),
        centerness_on_reg=True,
        center_sampling=True,
        center_sample_radius=1.5,
        # the first and the last of six places in the paper's figure (official code)
        correlations=[
            dict(**generated, place=0),
            dict(**generated, place=4, project_search=True, search_size=1, search_channels=32)],
        loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.0),
        loss_bbox=dict(type='IoULoss', mode='log', loss_weight=1.0),
        loss_centerness=dict(type='CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0)),
    # the authors published neither head nor association: docs/models/dmtrack.md says what these follow
    re_id_head=dict(
        type='mmgtrack.ReIDHead', in_channels=backbone_channels, strides=strides, channels=128,
        embed_dims=128, num_identities=_base_.pop('clip_identities')),
    task_weights=dict(type='mmgtrack.LearnedTaskWeights'),
    association=dict(),
    test_cfg=dict(
        nms_pre=1000, score_thr=0.0, nms=dict(type='nms', iou_threshold=0.5),
        max_per_img=20))  # ours: look-alikes that association is shown

# what is taken out of _base_ does not stay under its old name, where somebody could set it in vain
train_dataloader = _base_.pop('clip_dataloader')
test_dataloader = _base_.pop('sequence_dataloader')
test_evaluator = dict(type='mmgtrack.SuccessMetric')
val_dataloader = None  # no validation between epochs (official code)
val_evaluator = None
for __name in ('clip_root', 'clip_coco', 'clip_frames'):
    _base_.pop(__name)
