"""The samples of stark_demo_data.py, half of them without the target: for the score head."""

_base_ = './stark_demo_data.py'

train_dataloader = dict(dataset=dict(sampler=dict(negative_prob=0.5)))  # STARK's
