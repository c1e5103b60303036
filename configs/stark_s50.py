# STARK-S50 (Yan et al., ICCV 2021): one template, no score head; one stage of training.
_base_ = [
    './_base_/models/stark_s50.py',
    './_base_/datasets/stark_causal.py',
    './_base_/schedules/stark_500e.py',
    './_base_/runtime/default_runtime.py',
]

default_hooks = dict(checkpoint=dict(interval=5))  # ours: an hour at most is lost
