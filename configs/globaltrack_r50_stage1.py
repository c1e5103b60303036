# First stage of GlobalTrack's training: COCO alone, from a detector (Huang et al., AAAI 2020, Optimization).
_base_ = './globaltrack_r50.py'

coco = _base_.train_dataloader.dataset.sources[0]
train_dataloader = dict(dataset=dict(sources=[dict(coco, weight=1.0)]))
del coco
load_from = _base_.load_from_fallback
load_from_fallback = None
