# STARK-ST50 (Yan et al., ICCV 2021), second stage: the score head, on GOT-10k alone.
_base_ = [
    './_base_/models/stark_st50.py',
    './_base_/datasets/stark_trident_score_got10k.py',
    './_base_/schedules/stark_score_50e.py',
    './_base_/runtime/default_runtime.py',
]

model = dict(train_cfg=dict(stage='score'))

load_from = 'work_dirs/stark_st50_got10k_stage1/epoch_500.pth'
