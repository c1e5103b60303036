# STARK on MobileNetV2 with a thin transformer, first stage: localisation, 1200 steps.
# Model card: docs/models/stark_mobilenetv2_lite.md
_base_ = [
    './_base_/models/stark_mobilenetv2_lite.py',
    './_base_/datasets/stark_demo_data.py',
    './_base_/schedules/light_adamw.py',
    './_base_/runtime/default_runtime.py',
]

model = dict(
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=_base_.pretrained)),
    test_cfg=dict(use_score_head=False))  # it is not trained yet
find_unused_parameters = True  # the score head is there and learns in the second stage

# ours: what 27 minutes on two cores allow
train_cfg = dict(max_epochs=12)
optim_wrapper = dict(optimizer=dict(lr=7e-4), clip_grad=dict(max_norm=1))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(
        type='CosineAnnealingLR', by_epoch=True, begin=0, T_max=12, eta_min_ratio=0.02,
        convert_to_iter_based=True),
]
auto_scale_lr = dict(base_batch_size=32)
