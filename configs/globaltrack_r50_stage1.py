# First stage of GlobalTrack's training: COCO alone, from a detector (Huang et al., AAAI 2020, Optimization).
_base_ = './globaltrack_r50.py'

train_dataloader = dict(dataset=dict(sources=[_base_.clip_coco]))
load_from = _base_.load_from_fallback
load_from_fallback = None
