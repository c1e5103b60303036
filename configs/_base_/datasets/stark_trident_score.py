"""stark_trident.py with the target missing from half of the samples: second stage of STARK-ST."""

_base_ = './stark_trident.py'

train_dataloader = dict(dataset=dict(sampler=dict(negative_prob=0.5)))  # official
