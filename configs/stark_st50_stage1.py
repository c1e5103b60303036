# STARK-ST50 (Yan et al., ICCV 2021), first stage: localisation, on LaSOT, GOT-10k, COCO and TrackingNet.
_base_ = [
    './_base_/models/stark_st50.py',
    './_base_/datasets/stark_trident.py',
    './_base_/schedules/stark_500e.py',
    './_base_/runtime/default_runtime.py',
]

model = dict(test_cfg=dict(use_score_head=False))  # it is not trained yet
find_unused_parameters = True  # the score head is there and learns in the second stage (official code)
default_hooks = dict(checkpoint=dict(interval=5))  # ours: an hour at most is lost
