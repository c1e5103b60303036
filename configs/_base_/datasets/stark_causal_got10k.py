"""stark_causal.py on GOT-10k alone, as its rules want it (section 4.2). Folders: stark_causal.py."""

_base_ = './stark_causal.py'

train_dataloader = dict(dataset=dict(sources=_base_.got10k_sources))
# the boxes of the test set are with its authors
test_dataloader = dict(dataset=dict(_delete_=True, **_base_.got10k_val))
