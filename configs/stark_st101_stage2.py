# STARK-ST101 (Yan et al., ICCV 2021), second stage: the score head, on LaSOT, GOT-10k, COCO and TrackingNet.
_base_ = [
    './_base_/models/stark_st101.py',
    './_base_/datasets/stark_trident_score.py',
    './_base_/schedules/stark_score_50e.py',
    './_base_/runtime/default_runtime.py',
]

model = dict(train_cfg=dict(stage='score'))

load_from = 'work_dirs/stark_st101_stage1/epoch_500.pth'
