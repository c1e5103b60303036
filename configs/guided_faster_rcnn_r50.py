# GuidedDetector (Huang et al., ICCV 2019) over Faster R-CNN with ResNet-50: section 3.5, Fig. 4.
# What the paper leaves open: docs/models/guided_detector.md
_base_ = [
    './_base_/models/guided_faster_rcnn_c4.py',
    './_base_/datasets/guided_got10k_480.py',
    './_base_/schedules/guided_50k.py',
    './_base_/runtime/default_runtime.py',
]

model = dict(
    type='mmgtrack.GuidedDetector',
    detector=_base_.pop('model'),
    # ours: a target is 6 cells wide in its exemplar; with 7, the module would be larger than the detector
    guidance=dict(pooled_size=3),
    exemplar=dict(factor=2, sizes=192),  # section 3.5
    search=dict(factor=5, size=480),  # section 3.5
    learner=dict(
        inner_lr=0.05,  # section 4.1
        first_steps=5,  # section 3.4
        online_steps=1,  # section 3.4
        inner_steps=5,  # ours: as many as on a first frame
        anchor_weight=0.3),  # ours: lambda of Eq. 4
    first_frame=dict(count=16),  # section 3.4
    selection=dict(sigma=0.55, size_rate=0.275),  # section 3.4
    # ours: T of section 3.4; which frames are learnt from, and of how many; least side of a box in pixels
    test_cfg=dict(update_interval=10, sample_score=0.5, max_samples=10, min_side=2.0))

# pre-trained on COCO (section 4.1)
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/faster_rcnn/faster_rcnn_r50_caffe_c4_1x_coco/faster_rcnn_r50_caffe_c4_1x_coco_20220316_150152-3f885b85.pth'
