# STARK on MobileNetV2 with a thin transformer, second stage: the score head, 300 steps.
# Model card: docs/models/stark_mobilenetv2_lite.md
_base_ = [
    './_base_/models/stark_mobilenetv2_lite.py',
    './_base_/datasets/stark_demo_data_score.py',
    './_base_/schedules/light_adamw.py',
    './_base_/runtime/default_runtime.py',
]

model = dict(train_cfg=dict(stage='score'))

# ours: what 3 minutes on two cores allow
train_cfg = dict(max_epochs=3)
optim_wrapper = dict(paramwise_cfg=None)  # nothing of the backbone learns
param_scheduler = [
    dict(
        type='CosineAnnealingLR', by_epoch=True, begin=0, T_max=3, eta_min_ratio=0.02,
        convert_to_iter_based=True),
]
auto_scale_lr = dict(base_batch_size=32)

load_from = 'work_dirs/stark_mobilenetv2_lite_stage1/epoch_12.pth'
