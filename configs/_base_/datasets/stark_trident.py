"""Two templates and one search region: first stage of STARK-ST (official code). Folders: stark_causal.py."""

_base_ = './stark_causal.py'

train_dataloader = dict(
    dataset=dict(
        roles=('template', 'dynamic_template', 'search'),
        sampler=dict(_delete_=True, type='mmgtrack.TridentSampler', max_gap=200, min_length=20),  # official
        pipelines=dict(dynamic_template=_base_.template_pipeline)))
