# GuidedDetector (Huang et al., ICCV 2019) over SSD300 with VGG-16: section 3.5, Fig. 3.
# What the paper leaves open: docs/models/guided_detector.md
_base_ = [
    './_base_/models/guided_ssd300.py',
    './_base_/datasets/guided_got10k.py',
    './_base_/schedules/guided_50k.py',
    './_base_/runtime/default_runtime.py',
]

model = dict(
    type='mmgtrack.GuidedDetector',
    detector=_base_.pop('model'),
    # ours: a target is 3.5 to 3.75 cells wide in the exemplar of its level
    guidance=dict(pooled_size=3),
    exemplar=dict(factor=2, sizes=[60, 120, 222]),  # twice the base sizes (section 3.5)
    search=dict(factor=5, size=300),  # section 3.5
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
load_from = 'https://download.openmmlab.com/mmdetection/v2.0/ssd/ssd300_coco/ssd300_coco_20210803_015428-d231a06e.pth'
