"""STARK's second stage: 50 epochs for the score head alone (section 4.1; official code)."""

_base_ = './stark_500e.py'

max_epochs = 50  # section 4.1
train_cfg = dict(max_epochs=max_epochs)
optim_wrapper = dict(paramwise_cfg=None)  # nothing of the backbone learns
param_scheduler = [dict(type='MultiStepLR', by_epoch=True, milestones=[40], gamma=0.1)]  # section 4.1
