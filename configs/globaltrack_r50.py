# GlobalTrack (Huang et al., AAAI 2020) over mmdet's Faster R-CNN with ResNet-50, second stage of training.
# Another detector: change the first line of _base_ (docs/detectors.md).
_base_ = [
    'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    './_base_/datasets/coco_got10k_lasot.py',
    './_base_/schedules/globaltrack_12e.py',
]
# besides what the detector needs, such as ConvNeXt's mmpretrain
custom_imports = dict(
    imports=['mmgtrack', *_base_.get('custom_imports', dict(imports=[]))['imports']],
    allow_failed_imports=False)

model = dict(
    type='mmgtrack.GlobalTrack',
    # long side at most 1333, short at most 800 (Parameters); mean and std stay the detector's
    data_preprocessor=dict(type='mmgtrack.ClipDataPreprocessor', resize=(1333, 800)),
    rpn_head=dict(
        # one correlation a level, no f_x (official code)
        type='mmgtrack.QueryRPNHead',
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1 / 9, loss_weight=1.0)),  # official code
    roi_head=dict(
        type='mmgtrack.QueryRoIHead',
        bbox_roi_extractor=dict(roi_layer=dict(sampling_ratio=2)),  # official code
        loss_bbox=dict(type='SmoothL1Loss', beta=1.0, loss_weight=1.0)),  # official code
    train_cfg=dict(
        rpn=dict(allowed_border=0),  # official code
        rpn_proposal=dict(max_per_img=2000)),  # 2000 proposals, 512 sampled (Parameters)
    test_cfg=dict(
        rpn=dict(min_bbox_size=-1),  # official code: no box is too small
        rcnn=dict(score_thr=0.0, max_per_img=1000)))  # official code

# The detector's own run is replaced; its hooks, logging and environment stay. What is taken out of _base_ and
# what nothing reads any more does not stay under its old name, where somebody could set it in vain.
train_dataloader = dict(_delete_=True, **_base_.pop('clip_dataloader'))
test_dataloader = dict(_delete_=True, **_base_.pop('sequence_dataloader'))
test_evaluator = dict(_delete_=True, type='mmgtrack.SuccessMetric')
val_dataloader = None  # no validation between epochs (official code)
val_evaluator = None

train_cfg = dict(_delete_=True, **_base_.pop('globaltrack_train_cfg'))
test_cfg = dict(_delete_=True, **_base_.pop('globaltrack_test_cfg'))
val_cfg = None
optim_wrapper = dict(_delete_=True, **_base_.pop('globaltrack_optim_wrapper'))
param_scheduler = _base_.pop('globaltrack_param_scheduler')
auto_scale_lr = _base_.pop('globaltrack_auto_scale_lr')
custom_hooks = _base_.pop('globaltrack_custom_hooks')
for __name in (
        'dataset_type', 'data_root', 'backend_args', 'train_pipeline', 'test_pipeline', 'clip_root',
        'clip_coco', 'clip_frames', 'globaltrack_max_epochs'):
    _base_.pop(__name, None)

randomness = dict(seed=0)  # ours: of the first weights, so that a run can be repeated

# a few detectors of the zoo count iterations
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=1, max_keep_ckpts=3))  # ours: room for three
log_processor = dict(by_epoch=True)

# the end of the first stage; without it, the detector that the authors started the first stage from
load_from = 'work_dirs/globaltrack_r50_stage1/epoch_12.pth'
load_from_fallback = 'https://download.openmmlab.com/mmdetection/v2.0/faster_rcnn/faster_rcnn_r50_fpn_2x_coco/faster_rcnn_r50_fpn_2x_coco_bbox_mAP-0.384_20200504_210434-a5d8aa15.pth'
