# STARK-Lightning (official stark_lightning_X_trt): a thin trunk and one encoder layer; one stage of training.
_base_ = [
    './_base_/models/stark_lightning.py',
    './_base_/datasets/stark_causal.py',
    './_base_/schedules/stark_500e.py',
    './_base_/runtime/default_runtime.py',
]

default_hooks = dict(checkpoint=dict(interval=5))  # ours: an hour at most is lost
