# GlobalTrack, ResNet-50 (Huang et al., AAAI 2020, Implementation Details), on mmdet's Faster R-CNN.
_base_ = [
    'mmdet::_base_/models/faster-rcnn_r50_fpn.py',
    # small data in the light model's size, to try the code; not the paper's COCO, GOT-10k and LaSOT
    './_base_/datasets/demo_data.py',
    './_base_/schedules/globaltrack_sgd.py',
    './_base_/runtime/default_runtime.py',
]

model = dict(
    type='mmgtrack.GlobalTrack',
    data_preprocessor=dict(
        # long side at most 1333, short at most 800 (Parameters)
        _delete_=True, type='mmgtrack.ClipDataPreprocessor', resize=(1333, 800)),
    rpn_head=dict(
        # one correlation a level, no f_x (official code)
        type='mmgtrack.QueryRPNHead',
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1 / 9, loss_weight=1.0)),
    roi_head=dict(
        type='mmgtrack.QueryRoIHead',
        bbox_roi_extractor=dict(roi_layer=dict(sampling_ratio=2)),
        bbox_head=dict(
            num_classes=1,
            loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1.0, loss_weight=1.0))),
    train_cfg=dict(
        rpn=dict(allowed_border=0),
        rpn_proposal=dict(max_per_img=2000)),  # 2000 proposals, 512 sampled (Parameters)
    test_cfg=dict(
        rpn=dict(min_bbox_size=-1),
        rcnn=dict(score_thr=0.0, max_per_img=1000)))
